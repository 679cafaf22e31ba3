/**
 * The oldest patch level that is safe and tested, per line of Node.js. Older ones miss fixes for crashes that a
 * requester can cause (KF-F13: CVE-2026-21710, CVE-2026-21637). Lines that are not here are older than type stripping
 * and the SQLite module need, or were never long-term.
 */
export const MINIMUM_NODE = [{ major: 26, minor: 10, patch: 0 }] as const

/** Undefined when this runtime will do; else what is wrong and what to run instead. */
export function nodeVersionProblem(version: string): string | undefined {
  const match = /^v?(\d+)\.(\d+)\.(\d+)(-.+)?$/.exec(version)
  const advice =
    'Start it with `npm start` or `npx chancery`, which run the Node.js that `npm ci` put into node_modules'
  if (match === null) return `Node.js ${version} is not a version that can be judged. ${advice}`
  const [major, minor, patch] = match.slice(1, 4).map(Number) as [number, number, number]
  if (match[4] !== undefined) return `Node.js ${version} is a pre-release. ${advice}`
  const newest = MINIMUM_NODE.at(-1)
  if (newest !== undefined && major > newest.major) return undefined
  const line = MINIMUM_NODE.find((entry) => entry.major === major)
  const wanted = MINIMUM_NODE.map((entry) => `${entry.major}.${entry.minor}.${entry.patch}`).join(' or ')
  if (line === undefined) return `Node.js ${version} is not supported; ${wanted} or newer is. ${advice}`
  const tooOld = minor < line.minor || (minor === line.minor && patch < line.patch)
  return tooOld
    ? `Node.js ${version} misses security fixes that this server relies on; ${wanted} or newer is needed. ${advice}`
    : undefined
}
