import { connect, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../lib/clock.ts'
import { formatIpAddress } from '../lib/ip-address.ts'
import { DeadlinePassed, withDeadline } from './deadline.ts'
import type { Resolver } from './dns/resolver.ts'
import type { EgressPolicy } from './egress.ts'
import { ValidationFailure } from './failure.ts'
import type { Probe } from './probe.ts'
import { isShortage } from './shortage.ts'
import { Slots } from './slots.ts'
import { formatEndpoint } from './socket-address.ts'
import { type Host, hostText, resolveHost } from './target.ts'

/** A TCP connection to a checked address. Whoever gets it need not close it. */
export interface Connection {
  readonly socket: Duplex
  readonly address: string
  readonly port: number
}

/**
 * The one door through which proofs reach the outside (KF-A11, KF-A12): a host is resolved once, every address is
 * judged by its bytes, and exactly a judged address is dialled. Nothing behind the door looks a name up again.
 */
export interface Outbound {
  /**
   * Connects, IPv6 first, and runs `work`; the socket is destroyed when it ends, in whatever way, or when the probe
   * is aborted.
   *
   * @throws {ValidationFailure} `dns` or `connection`; hopeless when every address that the host has is refused by policy
   * @throws {Error} of the system when this machine has run out of what a connection needs
   */
  withConnection<T>(host: Host, port: number, probe: Probe, work: (connection: Connection) => Promise<T>): Promise<T>
  /** Connections open or being opened now. */
  readonly open: number
}

/**
 * Connects to a literal address. What it resolves to must never throw an unhandled error.
 *
 * @throws {Error} of the system, such as ECONNREFUSED; the signal's reason when aborted
 */
export type Dial = (address: string, port: number, signal: AbortSignal) => Promise<Duplex>

export interface OutboundDeps {
  readonly resolver: Resolver
  readonly egress: EgressPolicy
  readonly clock: Clock
  readonly connectTimeoutMs: number
  /** Default: a TCP socket. */
  readonly dial?: Dial | undefined
  /** Connections at once to one address, and to all. */
  readonly maxPerAddress?: number
  readonly maxTotal?: number
}

const MAX_PER_ADDRESS = 32
const MAX_TOTAL = 1024

export function createOutbound(deps: OutboundDeps): Outbound {
  const slots = new Slots({ perKey: deps.maxPerAddress ?? MAX_PER_ADDRESS, total: deps.maxTotal ?? MAX_TOTAL })

  /** One address: waits for a slot, dials, works, cleans up. Failing to connect is told apart from failing at work. */
  async function visit<T>(
    host: Host,
    address: string,
    port: number,
    probe: Probe,
    work: (connection: Connection) => Promise<T>,
  ): Promise<{ done: T } | { unreachable: string }> {
    const endpoint = formatEndpoint(address, port)
    if (isLate(probe.signal)) return { unreachable: `${endpoint} was not tried, for time was up` }
    const giveBack = await slots.acquire(address, probe.signal).catch((error: unknown) => {
      if (!(error instanceof DeadlinePassed)) throw error
    })
    if (giveBack === undefined) return { unreachable: `${endpoint} has as many connections from here as it may` }
    let socket: Duplex | undefined
    const destroy = (): void => {
      socket?.destroy()
    }
    const note = (outcome: string): void => {
      probe.evidence.connections.push({ host: hostText(host), address, port, outcome })
    }
    try {
      try {
        socket = await withDeadline(deps.clock, deps.connectTimeoutMs, probe.signal, (signal) =>
          (deps.dial ?? dialByTcp)(address, port, signal),
        )
      } catch (error) {
        const reason = whyUnreachable(error, probe.signal)
        note(reason)
        if (isShortage(error)) throw error
        return { unreachable: `${endpoint} ${reason}` }
      }
      note('connected')
      // An end in the same moment would ring no more.
      probe.signal.throwIfAborted()
      probe.signal.addEventListener('abort', destroy, { once: true })
      return { done: await work({ socket, address, port }) }
    } finally {
      probe.signal.removeEventListener('abort', destroy)
      destroy()
      giveBack()
    }
  }

  return {
    async withConnection(host, port, probe, work) {
      const resolved = await resolveHost(host, deps.resolver, probe)
      const faults: string[] = []
      let refusals = 0
      for (const bytes of resolved.addresses) {
        const address = formatIpAddress(bytes)
        const verdict = deps.egress.decide(bytes, port)
        if (!verdict.ok) {
          probe.evidence.connections.push({ host: hostText(host), address, port, outcome: 'refused by policy' })
          faults.push(verdict.reason)
          refusals++
          continue
        }
        const visited = await visit(host, address, port, probe, work)
        if ('done' in visited) return visited.done
        faults.push(visited.unreachable)
        if (probe.signal.aborted) break
      }
      faults.push(...resolved.gaps)
      throw new ValidationFailure('connection', `No connection to ${hostText(host)}: ${faults.join('; ')}`, {
        hopeless: refusals === faults.length,
      })
    },
    get open() {
      return slots.held
    },
  }
}

/** Dials a literal address. The text comes from bytes, so there is nothing that a resolver could be asked about. */
function dialByTcp(address: string, port: number, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (isIP(address) === 0) return reject(new TypeError('only an address can be dialled'))
    if (signal.aborted) return reject(signal.reason)
    const socket = connect({ host: address, port, autoSelectFamily: false })
    const onAbort = (): void => {
      socket.destroy()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    // Stays for the life of the socket: an error after the connection is for its user, but must never be unhandled.
    socket.on('error', (error) => {
      signal.removeEventListener('abort', onAbort)
      reject(error)
    })
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(socket)
    })
  })
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ECONNRESET: 'reset the connection',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached (no route from this server)',
  EADDRNOTAVAIL: 'cannot be reached (no route from this server)',
  ETIMEDOUT: 'did not answer',
}

/** @throws the signal's reason when the attempt was called off; one whose time is up has a fault to tell (CQ-V11) */
function whyUnreachable(error: unknown, attempt: AbortSignal): string {
  if (attempt.aborted && !isLate(attempt)) throw attempt.reason
  if (error instanceof DeadlinePassed) return `did not answer (${error.message})`
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error'
  return SYSTEM_ERRORS[code] ?? `could not be connected to (${code})`
}

function isLate(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason instanceof DeadlinePassed
}
