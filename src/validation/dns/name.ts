import { DnsError } from './dns-error.ts'

const MAX_NAME_OCTETS = 255 // RFC 1035 §2.3.4, root label included
const MAX_LABEL_OCTETS = 63
const MAX_POINTERS = 127 // a name has no more labels than that

/** A name read from a message: its text, and the offset just after it. */
export interface WireName {
  /**
   * Labels joined by dots, no final dot, the root as ''. Octets other than letters, digits, `-`, `_` and `*` are
   * written as `\DDD`, so that a dot within a label cannot pass for a border. Case is kept.
   */
  readonly text: string
  readonly next: number
}

/**
 * Writes a name in wire form (RFC 1035 §3.1). For names that we ask for: letters, digits, `-`, `_` and `*`.
 *
 * @throws {DnsError} when a label or the whole is empty, too long, or holds other octets
 */
export function encodeName(name: string): Buffer {
  const parts: Buffer[] = []
  for (const label of name.split('.')) {
    const bytes = Buffer.from(label, 'latin1')
    if (bytes.length === 0 || bytes.length > MAX_LABEL_OCTETS) {
      throw new DnsError('malformed', `${name} cannot be asked for: a label is empty or longer than 63 octets`)
    }
    if (/[^A-Za-z0-9_*-]/.test(label)) {
      throw new DnsError('malformed', `${name} cannot be asked for: it holds octets that no host name has`)
    }
    parts.push(Buffer.of(bytes.length), bytes)
  }
  parts.push(Buffer.of(0))
  const wire = Buffer.concat(parts)
  if (wire.length > MAX_NAME_OCTETS) {
    throw new DnsError('malformed', `${name} cannot be asked for: the name is longer than 255 octets`)
  }
  return wire
}

/**
 * Reads a name. A compression pointer must point before the place where the name, or the part of it reached by the
 * last pointer, began; so a chain of pointers always ends (RFC 1035 §4.1.4).
 *
 * @throws {DnsError} `malformed`
 */
export function readName(message: Buffer, start: number): WireName {
  const labels: string[] = []
  let octets = 1
  let at = start
  let lowest = start
  let pointers = 0
  let next: number | undefined
  for (;;) {
    const length = message[at]
    if (length === undefined) throw new DnsError('malformed', 'a name runs past the end of the message')
    if (length === 0) return { text: labels.join('.'), next: next ?? at + 1 }
    if ((length & 0xc0) === 0xc0) {
      const low = message[at + 1]
      if (low === undefined) throw new DnsError('malformed', 'a name runs past the end of the message')
      const target = ((length & 0x3f) << 8) | low
      if (target >= lowest) throw new DnsError('malformed', 'a compression pointer does not point backwards')
      if (++pointers > MAX_POINTERS) throw new DnsError('malformed', 'a name has too many compression pointers')
      next ??= at + 2
      at = target
      lowest = target
      continue
    }
    if (length > MAX_LABEL_OCTETS) throw new DnsError('malformed', 'a label has an unknown type')
    const end = at + 1 + length
    if (end > message.length) throw new DnsError('malformed', 'a name runs past the end of the message')
    octets += 1 + length
    if (octets > MAX_NAME_OCTETS) throw new DnsError('malformed', 'a name is longer than 255 octets')
    labels.push(labelText(message.subarray(at + 1, end)))
    at = end
  }
}

/** Compares as DNS does: ASCII letters without case (RFC 4343). */
export function sameName(a: string, b: string): boolean {
  return foldName(a) === foldName(b)
}

export function foldName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function labelText(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[^A-Za-z0-9_*-]/g, (c) => `\\${String(c.charCodeAt(0)).padStart(3, '0')}`)
}
