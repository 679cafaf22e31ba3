import type { IncomingMessage } from 'node:http'
import { type Cidr, cidrContains } from '../lib/cidr.ts'
import { formatIpAddress, ipAddressBytes } from '../lib/ip-address.ts'

/** Where a request comes from, as limits count it: an IPv4 address alone, IPv6 by the /64 and the /48 (KF-F06). */
export interface ClientAddress {
  /** The address itself, for logs. */
  readonly text: string
  /** `192.0.2.1/32` or `2001:db8:0:1::/64`. */
  readonly key: string
  /** `2001:db8::/48`; absent for IPv4. */
  readonly network?: string
}

/** More than any chain of proxies; the rest of the header is not looked at. */
const LONGEST_CHAIN = 32

/**
 * The address of the peer; or, where the peer is one of the listed proxies, the last address in `X-Forwarded-For` that is
 * not a listed proxy (KF-F18). What stands further to the left was written by somebody else, and decides nothing. Where
 * the header is missing or cannot be read, the proxy itself is the client.
 */
export function clientAddress(
  request: Pick<IncomingMessage, 'headers'> & { readonly socket: { readonly remoteAddress?: string | undefined } },
  trustedProxies: readonly Cidr[],
): ClientAddress {
  const peer = readAddress(request.socket.remoteAddress ?? '')
  if (peer === undefined) return { text: 'unknown', key: 'unknown' }
  const isTrusted = (bytes: Buffer): boolean => trustedProxies.some((block) => cidrContains(block, bytes))
  if (!isTrusted(peer)) return toClient(peer)
  const header = request.headers['x-forwarded-for']
  const entries = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').slice(-LONGEST_CHAIN)
  let nearest = peer
  for (const entry of entries.reverse()) {
    const bytes = readAddress(withoutPort(entry.trim()))
    if (bytes === undefined) break
    nearest = bytes
    if (!isTrusted(bytes)) break
  }
  return toClient(nearest)
}

/** Zone ids fall away, and an IPv4 address within an IPv6 one (`::ffff:…`) is that IPv4 address. */
function readAddress(text: string): Buffer | undefined {
  const bytes = ipAddressBytes(text.split('%', 1)[0] ?? '')
  if (bytes?.length !== 16) return bytes
  const isMapped = bytes.readBigUInt64BE(0) === 0n && bytes.readUInt32BE(8) === 0xffff
  return isMapped ? bytes.subarray(12) : bytes
}

/** Some proxies write `192.0.2.1:1234` and `[2001:db8::1]:1234`. */
function withoutPort(text: string): string {
  const match = /^\[([^\]]*)\](?::\d{1,5})?$|^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)
  return match?.[1] ?? match?.[2] ?? text
}

function toClient(bytes: Buffer): ClientAddress {
  const text = formatIpAddress(bytes)
  if (bytes.length === 4) return { text, key: `${text}/32` }
  return { text, key: `${prefix(bytes, 8)}/64`, network: `${prefix(bytes, 6)}/48` }
}

function prefix(bytes: Buffer, octets: number): string {
  return formatIpAddress(Buffer.concat([bytes.subarray(0, octets), Buffer.alloc(16 - octets)]))
}
