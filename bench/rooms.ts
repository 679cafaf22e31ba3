import type { CpuProfile, ProfileNode } from './profile.ts'

/** Where the server's main thread spends its time, in the order in which the parts are printed. */
export const ROOMS = [
  'tlsAndHttp',
  'jws',
  'acme',
  'policy',
  'derAndLint',
  'store',
  'validation',
  'logAndMetrics',
  'gc',
  'rest',
] as const
export type Room = (typeof ROOMS)[number]

/** By path below `src/`; the first that fits counts. What is in `lib/` belongs to whoever called it. */
const ROOM_OF_SOURCE: readonly (readonly [prefix: string, room: Room])[] = [
  ['http/', 'tlsAndHttp'],
  ['acme/jws/', 'jws'],
  ['acme/', 'acme'],
  ['policy/', 'policy'],
  ['x509/', 'derAndLint'],
  ['issuance/', 'derAndLint'],
  ['enrollment/', 'derAndLint'],
  ['signer/', 'derAndLint'],
  ['store/', 'store'],
  ['validation/', 'validation'],
  ['observe/', 'logAndMetrics'],
  ['app/', 'rest'],
  ['revocation/', 'rest'],
  ['admin/', 'rest'],
]

/** What runs without one of our functions on the stack: by the module of Node.js or the package that it is in. */
const ROOM_OF_MODULE: readonly (readonly [part: string, room: Room])[] = [
  ['node:_http_client', 'validation'],
  ['node:_http_agent', 'validation'],
  ['node:_http_', 'tlsAndHttp'],
  ['node:https', 'tlsAndHttp'],
  ['node:_tls_', 'tlsAndHttp'],
  ['node:net', 'tlsAndHttp'],
  ['node:internal/stream', 'tlsAndHttp'],
  ['node:internal/tls', 'tlsAndHttp'],
  ['node:internal/http', 'tlsAndHttp'],
  ['/node_modules/fastify/', 'tlsAndHttp'],
  ['/node_modules/find-my-way/', 'tlsAndHttp'],
  ['/node_modules/pino', 'logAndMetrics'],
  ['/node_modules/sonic-boom', 'logAndMetrics'],
  ['/node_modules/prom-client/', 'logAndMetrics'],
  ['/node_modules/pg', 'store'],
]

/**
 * Milliseconds that the samples found in each room. A sample belongs to the function of ours that is nearest to the top
 * of its stack, so a signature that is verified for a JWS is the JWS's, and one that is verified for a CSR belongs to
 * DER. Time outside of JavaScript is that of sockets and TLS records for the most part.
 */
export function timeOfRooms(profile: CpuProfile): Record<Room, number> {
  const roomOf = roomsOfNodes(profile.nodes)
  const ms = Object.fromEntries(ROOMS.map((room) => [room, 0])) as Record<Room, number>
  for (const [index, id] of profile.samples.entries()) {
    // A delta is the time up to its sample; what it was spent on is told by that sample.
    const room = roomOf.get(id)
    if (room !== undefined) ms[room] += Math.max(0, profile.timeDeltas[index] ?? 0) / 1000
  }
  return ms
}

/**
 * Makes the parts add up to the CPU time of the thread, which the system knows better than samples of the clock do. The
 * sampler takes for idle what the runtime does between waking up and calling JavaScript: reading sockets and opening
 * TLS records. So what is missing is theirs. Where the thread was held up by other processes the samples say too much,
 * and all are scaled down.
 *
 * @param waitedMs how long the thread only waited for the disk, in the store
 */
export function addUp(
  sampled: Readonly<Record<Room, number>>,
  { cpuMs, waitedMs }: { readonly cpuMs: number; readonly waitedMs: number },
): Record<Room, number> {
  const ms = { ...sampled, store: Math.max(0, sampled.store - waitedMs) }
  const sum = ROOMS.reduce((so, room) => so + ms[room], 0)
  if (sum <= cpuMs) ms.tlsAndHttp += cpuMs - sum
  else for (const room of ROOMS) ms[room] *= cpuMs / sum
  return ms
}

/** Idle nodes are not in the result. */
function roomsOfNodes(nodes: readonly ProfileNode[]): Map<number, Room> {
  const parents = new Map<number, ProfileNode>()
  for (const node of nodes) for (const child of node.children ?? []) parents.set(child, node)
  const rooms = new Map<number, Room>()
  for (const node of nodes) {
    const room = roomOfStack(node, parents)
    if (room !== undefined) rooms.set(node.id, room)
  }
  return rooms
}

function roomOfStack(top: ProfileNode, parents: ReadonlyMap<number, ProfileNode>): Room | undefined {
  switch (top.callFrame.functionName) {
    case '(idle)':
      return undefined
    case '(garbage collector)':
      return 'gc'
    case '(program)':
      return 'tlsAndHttp'
    default:
  }
  let byModule: Room | undefined
  for (let node: ProfileNode | undefined = top; node !== undefined; node = parents.get(node.id)) {
    const { url } = node.callFrame
    if (url === '') continue
    const path = /\/src\/(?!.*\/node_modules\/)(.*)$/.exec(url)?.[1]
    const room = path === undefined ? undefined : ROOM_OF_SOURCE.find(([prefix]) => path.startsWith(prefix))?.[1]
    if (room !== undefined) return room
    const found = ROOM_OF_MODULE.find(([part]) => url.includes(part))?.[1]
    // The http client stands below the sockets that it works with.
    if (byModule === undefined || found === 'validation') byModule = found ?? byModule
  }
  return byModule ?? 'rest'
}
