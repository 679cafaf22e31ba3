import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { DeadlinePassed, withDeadline } from '../deadline.ts'
import type { LookupEvidence, Probe } from '../probe.ts'
import { formatEndpoint } from '../socket-address.ts'
import { ask } from './ask.ts'
import { DnsError } from './dns-error.ts'
import type { DnsMessage, DnsRecord, RecordType } from './message.ts'
import { RCODE } from './message.ts'
import { foldName, sameName } from './name.ts'
import type { ServerTable } from './servers.ts'
import type { DnsServer, DnsTransport } from './transport.ts'

/** Longest chain of CNAME records that is followed (KF-A18, CQ-V14). */
export const MAX_ALIASES = 8

export type QueryType = Exclude<RecordType, 'CNAME'>
export type RecordOf<T extends QueryType> = Extract<DnsRecord, { type: T }>

/** What DNS holds for a name and type once aliases are followed. */
export interface Lookup<T extends QueryType = QueryType> {
  /** `no-such-name` is NXDOMAIN of the name or of what it is an alias of; `records` is empty then. */
  readonly outcome: 'found' | 'no-data' | 'no-such-name'
  readonly records: readonly RecordOf<T>[]
}

export interface Resolver {
  /**
   * Asks the resolvers, and adds what was asked and answered to the evidence of the probe.
   *
   * @param name lower-case, letters, digits, `-`, `_`, no final dot
   * @throws {DnsError} when there is no usable answer; the signal's reason when the probe is aborted
   */
  lookup<T extends QueryType>(name: string, type: T, probe: Probe): Promise<Lookup<T>>
}

export interface ResolverDeps {
  readonly servers: ServerTable
  readonly clock: Clock
  readonly random: Random
  /** How long one server is waited for, in milliseconds. */
  readonly timeoutMs: number
  /** Default: sockets. */
  readonly transport?: DnsTransport | undefined
}

/** A stub resolver: it asks recursive resolvers, trusts no one to follow an alias for it, and keeps nothing. */
export function createResolver(deps: ResolverDeps): Resolver {
  return {
    async lookup<T extends QueryType>(name: string, type: T, probe: Probe): Promise<Lookup<T>> {
      const trace: Trace = { aliases: [], servers: [], authenticated: true }
      const note = (outcome: string, records: number): void => {
        probe.evidence.lookups.push(evidence(name, type, trace, outcome, records))
      }
      try {
        const found = await follow(deps, name, type, trace, probe.signal)
        note(found.outcome, found.records.length)
        return found
      } catch (error) {
        note(error instanceof DnsError ? error.code : 'aborted', 0)
        throw error
      }
    },
  }
}

interface Trace {
  readonly aliases: string[]
  readonly servers: { server: string; outcome: string }[]
  authenticated: boolean
}

function evidence(name: string, type: string, trace: Trace, outcome: string, records: number): LookupEvidence {
  const isAnswer = outcome === 'found' || outcome === 'no-data' || outcome === 'no-such-name'
  return {
    name,
    type,
    outcome,
    aliases: trace.aliases,
    records,
    authenticated: isAnswer && trace.servers.length > 0 && trace.authenticated,
    servers: trace.servers,
  }
}

/** Follows aliases within an answer and, where it ends in one, by asking for its target. */
async function follow<T extends QueryType>(
  deps: ResolverDeps,
  name: string,
  type: T,
  trace: Trace,
  signal: AbortSignal,
): Promise<Lookup<T>> {
  const seen = new Set([name])
  let current = name
  for (;;) {
    if (isLocalhost(current) && (type === 'A' || type === 'AAAA' || deps.servers.find(current).zone === undefined)) {
      return localhost(type)
    }
    const message = await askServers(deps, current, type, trace, signal)
    trace.authenticated &&= message.authenticated
    const asked = current
    let isOthers = false
    for (let target = aliasOf(message, current); target !== undefined; target = aliasOf(message, current)) {
      current = foldName(target)
      trace.aliases.push(current)
      if (seen.has(current)) throw new DnsError('alias', `the aliases (CNAME) of ${name} go round in a circle`)
      if (trace.aliases.length > MAX_ALIASES) {
        throw new DnsError('alias', `${name} is reached only by more than ${MAX_ALIASES} aliases (CNAME)`)
      }
      seen.add(current)
      isOthers = isOfOthers(deps.servers, current, asked)
      if (isOthers) break
    }
    if (isOthers) continue
    const records = message.answers.filter(
      (record): record is RecordOf<T> => record.type === type && sameName(record.name, current),
    )
    if (message.rcode === RCODE.NXDOMAIN) return { outcome: 'no-such-name', records: [] }
    if (records.length > 0) return { outcome: 'found', records }
    if (current === asked) return { outcome: 'no-data', records: [] }
  }
}

/** Who was asked for one name has nothing to say of an alias that is this machine, or in a zone with resolvers of its own. */
function isOfOthers(servers: ServerTable, alias: string, asked: string): boolean {
  const { zone } = servers.find(alias)
  return isLocalhost(alias) || (zone !== undefined && zone !== servers.find(asked).zone)
}

/** The target of the one CNAME at a name; two different ones leave nothing to follow (RFC 2181 §10.1). */
function aliasOf(message: DnsMessage, name: string): string | undefined {
  let target: string | undefined
  for (const record of message.answers) {
    if (record.type !== 'CNAME' || !sameName(record.name, name)) continue
    if (target !== undefined && !sameName(target, record.target)) {
      throw new DnsError('alias', `${name} has several aliases (CNAME)`)
    }
    target = record.target
  }
  return target
}

/** In turn, and those that kept silent once more; an answer ends it, and what gave none is noted (KF-A23). */
async function askServers(
  deps: ResolverDeps,
  name: string,
  type: QueryType,
  trace: Trace,
  signal: AbortSignal,
): Promise<DnsMessage> {
  const { servers } = deps.servers.find(name)
  let last = new DnsError('unreachable', 'no resolver is configured (validation.dns.resolvers)')
  const silent: DnsServer[] = []
  for (const list of [servers, silent]) {
    for (const server of list) {
      const label = formatEndpoint(server.address, server.port)
      try {
        const message = await withDeadline(deps.clock, deps.timeoutMs, signal, (limited) =>
          ask(server, { name, type }, deps.random, limited, deps.transport),
        )
        trace.servers.push({ server: label, outcome: 'answered' })
        return message
      } catch (error) {
        if (signal.aborted) throw signal.reason
        last = toDnsError(error)
        trace.servers.push({ server: label, outcome: last.code })
        if (last.code === 'timeout' && list === servers) silent.push(server)
      }
    }
  }
  throw last
}

function toDnsError(error: unknown): DnsError {
  if (error instanceof DnsError) return error
  if (error instanceof DeadlinePassed) return new DnsError('timeout', `the resolver did not answer (${error.message})`)
  throw error
}

/** RFC 6761 §6.3: such names mean this machine. Only other types than addresses are asked for, where a zone is set. */
function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}

function localhost<T extends QueryType>(type: T): Lookup<T> {
  const name = 'localhost'
  const records: readonly DnsRecord[] =
    type === 'A'
      ? [{ name, ttl: 0, type: 'A', address: Buffer.of(127, 0, 0, 1) }]
      : type === 'AAAA'
        ? [{ name, ttl: 0, type: 'AAAA', address: Buffer.from([...new Array<number>(15).fill(0), 1]) }]
        : []
  const own = records.filter((record): record is RecordOf<T> => record.type === type)
  return own.length > 0 ? { outcome: 'found', records: own } : { outcome: 'no-such-name', records: [] }
}
