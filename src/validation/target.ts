import { DeadlinePassed } from './deadline.ts'
import { DnsError } from './dns/dns-error.ts'
import type { Lookup, Resolver } from './dns/resolver.ts'
import { ValidationFailure } from './failure.ts'
import type { Probe } from './probe.ts'

/** A place to connect to: a name that is resolved, or an address that is taken as it is (RFC 8738 §4). */
export type Host =
  | { readonly type: 'dns'; readonly name: string }
  | { readonly type: 'ip'; readonly address: string; readonly bytes: Buffer }

/** The host as it stands in a URL or `Host` header: IPv6 in brackets, no port, no final dot (CQ-V10). */
export function hostText(host: Host): string {
  if (host.type === 'dns') return host.name
  return host.address.includes(':') ? `[${host.address}]` : host.address
}

/** Of each family, so many addresses are tried at most; a name with more is a load on others (KF-F08). */
const MAX_PER_FAMILY = 2

export interface Resolved {
  /** To be tried, as bytes, in this order; never empty. */
  readonly addresses: readonly Buffer[]
  /** Why the host may have other addresses, for the requester; empty when these are all. */
  readonly gaps: readonly string[]
}

/**
 * The addresses to try, in order: IPv6 before IPv4, families in turn, so that a dead IPv6 address does not
 * use up the time of the attempt (CQ-V11). This is the only resolution of a hop (KF-A12).
 *
 * @throws {ValidationFailure} `dns` when there is none
 */
export async function resolveHost(host: Host, resolver: Resolver, probe: Probe): Promise<Resolved> {
  if (host.type === 'ip') return { addresses: [host.bytes], gaps: [] }
  const [six, four] = await Promise.allSettled([
    resolver.lookup(host.name, 'AAAA', probe),
    resolver.lookup(host.name, 'A', probe),
  ])
  if (probe.signal.aborted) {
    if (!(probe.signal.reason instanceof DeadlinePassed)) throw probe.signal.reason
    throw new ValidationFailure('dns', `The addresses (A, AAAA) of ${host.name} could not be looked up in time`)
  }
  const v6 = addresses(six)
  const v4 = addresses(four)
  const ordered: Buffer[] = []
  for (let i = 0; i < MAX_PER_FAMILY; i++) {
    for (const address of [v6[i], v4[i]]) if (address !== undefined) ordered.push(address)
  }
  if (ordered.length === 0) throw new ValidationFailure('dns', whyNone(host.name, six, four))
  const gaps = [...whyUnknown('AAAA', six), ...whyUnknown('A', four)]
  const untried = v6.length + v4.length - ordered.length
  if (untried > 0) gaps.push(`${untried} more ${untried === 1 ? 'was' : 'were'} not tried`)
  return { addresses: ordered, gaps }
}

type AddressLookup = PromiseSettledResult<Lookup<'A'> | Lookup<'AAAA'>>

function addresses(result: AddressLookup): readonly Buffer[] {
  return result.status === 'fulfilled' ? result.value.records.map((record) => record.address) : []
}

function whyUnknown(type: string, result: AddressLookup): string[] {
  if (result.status === 'fulfilled') return []
  const reason = result.reason instanceof DnsError ? result.reason.message : 'a fault of this server'
  return [`its ${type} records could not be looked up: ${reason}`]
}

function whyNone(name: string, ...results: readonly AddressLookup[]): string {
  for (const result of results) {
    if (result.status === 'fulfilled') continue
    if (!(result.reason instanceof DnsError)) throw result.reason
    return `The addresses (A, AAAA) of ${name} could not be looked up: ${result.reason.message}`
  }
  const missing = results.some((result) => result.status === 'fulfilled' && result.value.outcome === 'no-such-name')
  return missing
    ? `The name ${name} does not exist in DNS as this server sees it`
    : `The name ${name} has no address (A or AAAA) in DNS as this server sees it`
}
