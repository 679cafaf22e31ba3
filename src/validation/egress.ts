import { networkInterfaces } from 'node:os'
import type { AddressClass } from '../lib/address-class.ts'
import { classifyAddress, embeddedAddresses } from '../lib/address-class.ts'
import type { Cidr } from '../lib/cidr.ts'
import { cidrContains, parseCidr } from '../lib/cidr.ts'
import { formatIpAddress, ipAddressBytes } from '../lib/ip-address.ts'
import { parseEndpoint } from './socket-address.ts'

/** An address and port that this process itself listens on; an unspecified address stands for every local one. */
export interface OwnListener {
  readonly address: string
  readonly port: number
}

export type EgressVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** Decides whether a proof may connect to an address, from its bytes alone (KF-A11, KF-A13). */
export interface EgressPolicy {
  decide(bytes: Uint8Array, port: number): EgressVerdict
}

/**
 * What each class of address is to a proof when no list names it. `shared` (RFC 6598) belongs to a carrier or an
 * overlay network, which the operator names if it is theirs.
 */
const BY_CLASS: Readonly<Record<AddressClass, 'open' | 'refused' | 'refused-unless-exact'>> = {
  public: 'open',
  private: 'open',
  shared: 'refused',
  reserved: 'refused',
  multicast: 'refused',
  unspecified: 'refused',
  'link-local': 'refused',
  loopback: 'refused',
  metadata: 'refused-unless-exact',
}

const CLASS_NAMES: Readonly<Record<AddressClass, string>> = {
  public: 'public',
  private: 'private',
  shared: 'shared (RFC 6598)',
  reserved: 'reserved',
  multicast: 'multicast',
  unspecified: 'unspecified',
  'link-local': 'link-local',
  loopback: 'loopback',
  metadata: 'cloud metadata',
}

/**
 * @param options.allow CIDR blocks opened although refused by default, and `address:port` or `[v6]:port`, the only
 *   form that opens a listener of our own. A metadata address is opened by its /32 or /128 only.
 * @param options.deny CIDR blocks never connected to; beats `allow`, and holds for the IPv4 address within an IPv6 one
 * @param options.ownListeners asked at every decision, for ports are known only once they are bound
 * @param options.localAddresses the addresses of this machine; default: asked of the system
 * @throws {Error} naming the entry that cannot be read
 */
export function createEgressPolicy(options: {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly ownListeners: () => readonly OwnListener[]
  readonly localAddresses?: () => readonly string[]
}): EgressPolicy {
  const deny = options.deny.map((text) => readCidr('validation.egress.deny', text))
  const allow: Cidr[] = []
  const exact = new Set<string>()
  for (const text of options.allow) {
    const endpoint = parseEndpoint(text)
    if (endpoint?.port === undefined) allow.push(readCidr('validation.egress.allow', text))
    else exact.add(endpointKey(endpoint.bytes, endpoint.port))
  }
  const localAddresses = options.localAddresses ?? systemAddresses

  return {
    decide(bytes, port) {
      const own = [bytes, ...embeddedAddresses(bytes)]
      if (own.some((form) => deny.some((block) => cidrContains(block, form)))) {
        return refuse(bytes, 'is on the list of addresses never connected to (validation.egress.deny)')
      }
      if (exact.has(endpointKey(bytes, port))) return { ok: true }
      if (own.some((form) => isOwnListener(form, port, options.ownListeners(), localAddresses))) {
        return refuse(bytes, `with port ${port} is a listener of this server, which it does not validate against`)
      }
      const kind = classifyAddress(bytes)
      const rule = BY_CLASS[kind]
      if (rule === 'open') return { ok: true }
      const listed = allow.some(
        (block) => cidrContains(block, bytes) && (rule === 'refused' || block.prefixBits === 8 * bytes.length),
      )
      if (listed) return { ok: true }
      const article = kind === 'unspecified' ? 'an' : 'a'
      return refuse(
        bytes,
        `is ${article} ${CLASS_NAMES[kind]} address, which this server does not connect to; its operator can list it in validation.egress.allow`,
      )
    },
  }
}

function refuse(bytes: Uint8Array, reason: string): EgressVerdict {
  return { ok: false, reason: `${formatIpAddress(bytes)} ${reason}` }
}

function readCidr(key: string, text: string): Cidr {
  try {
    return parseCidr(text)
  } catch (error) {
    throw new Error(`${key}: ${error instanceof Error ? error.message : 'unreadable'}`, { cause: error })
  }
}

function endpointKey(bytes: Uint8Array, port: number): string {
  return `${formatIpAddress(bytes)} ${port}`
}

/** A listener whose address cannot be read is taken for one on every address of this machine: fail closed. */
function isOwnListener(
  bytes: Uint8Array,
  port: number,
  listeners: readonly OwnListener[],
  localAddresses: () => readonly string[],
): boolean {
  const samePort = listeners.filter((listener) => listener.port === port)
  if (samePort.length === 0) return false
  const bound = samePort.map((listener) => ipAddressBytes(listener.address.replace(/^\[(.*)\]$/, '$1')))
  if (bound.some((address) => address?.equals(bytes) === true)) return true
  const everywhere = bound.some((address) => address === undefined || address.every((byte) => byte === 0))
  return everywhere && isLocal(bytes, localAddresses())
}

function isLocal(bytes: Uint8Array, localAddresses: readonly string[]): boolean {
  const kind = classifyAddress(bytes)
  if (kind === 'loopback' || kind === 'unspecified') return true
  return localAddresses.some((text) => ipAddressBytes(text)?.equals(bytes) === true)
}

function systemAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).map((entry) => entry.address.split('%', 1)[0] ?? ''),
  )
}
