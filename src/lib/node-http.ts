/**
 * `node:http` without its getters. A named import of a built-in module reads every export of it once, and one of these
 * loads a whole fetch client: a sixteenth of a second at each start, and memory for good.
 */
export const { createServer, get, request } = process.getBuiltinModule('node:http')
