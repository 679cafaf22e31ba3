export type ParsedAddress =
  | { readonly ok: true; readonly address: string; readonly bytes: Buffer }
  | { readonly ok: false; readonly reason: string }

const LONGEST_TEXT = 45 // eight groups with the last two as a dotted quad

/**
 * Reads an IP identifier: canonical text only, no repair (RFC 8738 §3). IPv4 is a dotted quad of decimals without
 * leading zeros; IPv6 is exactly what RFC 5952 §4 would write. A v4-mapped address is refused, because it is a
 * second name of an IPv4 address.
 *
 * @returns the text and its 4 or 16 bytes, or a sentence saying what to write instead; never throws
 */
export function parseIpAddress(text: string): ParsedAddress {
  const bytes = ipAddressBytes(text)
  if (bytes === undefined) return { ok: false, reason: 'it is not an IPv4 dotted quad or an IPv6 address' }
  if (isV4Mapped(bytes)) {
    return { ok: false, reason: `it is an IPv4-mapped address; write ${formatIpAddress(bytes.subarray(12))}` }
  }
  const address = formatIpAddress(bytes)
  if (address !== text) return { ok: false, reason: `it is not in canonical form; write ${address}` }
  return { ok: true, address, bytes }
}

/**
 * The bytes of unambiguous address text: a strict dotted quad, or any RFC 4291 §2.2 spelling of an IPv6 address.
 * For addresses in our own configuration, in URLs after parsing, and from resolvers. Octal, short, hexadecimal
 * IPv4 forms, brackets and zone ids are not unambiguous, and give undefined.
 */
export function ipAddressBytes(text: string): Buffer | undefined {
  if (text.length > LONGEST_TEXT) return undefined
  return text.includes(':') ? ipv6Bytes(text) : ipv4Bytes(text)
}

/**
 * Writes 4 or 16 bytes as canonical text: dotted quad, or RFC 5952 §4 with v4-mapped addresses as `::ffff:1.2.3.4` (§5).
 *
 * @throws {RangeError} when there are not 4 or 16 bytes
 */
export function formatIpAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new RangeError(`An IP address has 4 or 16 bytes, not ${bytes.length}`)
  if (isV4Mapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0))
  const zeros = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  if (zeros === undefined) return hex.join(':')
  return `${hex.slice(0, zeros.start).join(':')}::${hex.slice(zeros.start + zeros.length).join(':')}`
}

/**
 * Whether some resolver or URL parser would take the text for an address: octal, hexadecimal, decimal or short IPv4
 * (WHATWG URL, inet_aton), IPv6 with brackets or zone, and all of them in full-width digits and dots. It errs on the
 * side of yes; it is for telling a client to use type `ip`, and never decides what an address means.
 */
export function looksLikeIpAddress(text: string): boolean {
  if (text.length > 255) return false
  const plain = text.normalize('NFKC').replaceAll('\u3002', '.')
  if (/^\[.*\]$/.test(plain)) return true
  const zoneless = plain.split('%', 1)[0] ?? ''
  if (ipv6Bytes(zoneless.toLowerCase()) !== undefined) return true
  const parts = (plain.endsWith('.') ? plain.slice(0, -1) : plain).split('.')
  return parts.length <= 4 && parts.every((part) => /^(?:\d+|0[xX][0-9a-fA-F]*)$/.test(part))
}

function isV4Mapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 0xff && bytes[11] === 0xff
}

const DOTTED_QUAD = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/

function ipv4Bytes(text: string): Buffer | undefined {
  const match = DOTTED_QUAD.exec(text)
  if (match === null) return undefined
  const bytes = Buffer.allocUnsafe(4)
  for (let i = 0; i < 4; i++) {
    const value = Number(match[i + 1])
    if (value > 255) return undefined
    bytes[i] = value
  }
  return bytes
}

function ipv6Bytes(text: string): Buffer | undefined {
  if (text.length > LONGEST_TEXT) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves
  const left = groupBytes(head ?? '', tail === undefined)
  const right = tail === undefined ? [] : groupBytes(tail, true)
  if (left === undefined || right === undefined) return undefined
  const gap = 16 - left.length - right.length
  const gapIsRight = tail === undefined ? gap === 0 : gap >= 2 // `::` stands for at least one group
  return gapIsRight ? Buffer.from([...left, ...new Array<number>(gap).fill(0), ...right]) : undefined
}

/** @param isEnd whether the groups end the address, so that the last may be a dotted quad */
function groupBytes(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    if (isEnd && index === groups.length - 1 && group.includes('.')) {
      const quad = ipv4Bytes(group)
      if (quad === undefined) return undefined
      bytes.push(...quad)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    }
  }
  return bytes
}

/** RFC 5952 §4.2: the longest run of two or more zero groups, the first of equals. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length >= 2 && length > (best?.length ?? 0)) best = { start, length }
    start += length
  }
  return best
}
