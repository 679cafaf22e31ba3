import { formatIpAddress, ipAddressBytes } from './ip-address.ts'
import { quote } from './quote.ts'

/** A block of addresses of one family. IPv4 and IPv6 never contain each other, not even v4-mapped. */
export interface Cidr {
  /** Canonical text, e.g. `10.0.0.0/8`. */
  readonly text: string
  /** 4 or 16 bytes; the bits beyond the prefix are zero. */
  readonly network: Buffer
  readonly prefixBits: number
}

/**
 * Reads `address/prefix` (RFC 4632 §3.1, RFC 4291 §2.3), or a bare address as the block of that one address.
 * Bits set beyond the prefix are refused: such a block is not what its author meant.
 *
 * @throws {Error} naming the fault
 */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const network = ipAddressBytes(address)
  if (network === undefined) throw new Error(`${quote(text)}: not an IPv4 or IPv6 block such as 10.0.0.0/8 or fc00::/7`)
  const bits = network.length * 8
  const prefix = slash < 0 ? String(bits) : text.slice(slash + 1)
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > bits) {
    throw new Error(`${quote(text)}: the prefix must be a number from 0 to ${bits}`)
  }
  const prefixBits = Number(prefix)
  const masked = Buffer.from(network.map((byte, index) => byte & maskOfByte(prefixBits, index)))
  const canonical = `${formatIpAddress(masked)}/${prefixBits}`
  if (!masked.equals(network)) throw new Error(`${quote(text)}: bits are set beyond the prefix; write ${canonical}`)
  return { text: canonical, network, prefixBits }
}

/** Whether the block holds the address, given as 4 or 16 bytes; bytes of another length are in no block. */
export function cidrContains(cidr: Cidr, bytes: Uint8Array): boolean {
  if (bytes.length !== cidr.network.length) return false
  for (let index = 0; index < bytes.length; index++) {
    const mask = maskOfByte(cidr.prefixBits, index)
    if (mask === 0) return true
    if (((bytes[index] ?? 0) & mask) !== cidr.network[index]) return false
  }
  return true
}

function maskOfByte(prefixBits: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixBits - 8 * index))
  return (0xff << (8 - bits)) & 0xff
}
