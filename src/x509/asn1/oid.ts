import { OID_NAMES } from '../oids.ts'
import { DerError } from './der-error.ts'

/** Longer than any object identifier in use; keeps the conversion of an arc cheap. */
const MAX_OID_OCTETS = 64

/** Content octets of an OBJECT IDENTIFIER (X.690 §8.19). @throws {RangeError} when the text is not an OID */
export function encodeOidContent(dotted: string): Buffer {
  if (!/^[012](\.(0|[1-9][0-9]*))+$/.test(dotted)) throw new RangeError(`not an object identifier: ${dotted}`)
  const arcs = dotted.split('.').map(BigInt)
  const [first = 0n, second = 0n] = arcs
  if (first < 2n && second > 39n) throw new RangeError(`not an object identifier: ${dotted}`)
  const octets: number[] = []
  for (const arc of [first * 40n + second, ...arcs.slice(2)]) {
    const groups = [Number(arc & 0x7fn)]
    for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) groups.unshift(Number(rest & 0x7fn) | 0x80)
    octets.push(...groups)
  }
  return Buffer.from(octets)
}

/** OIDs that occur all the time, both ways. Only known ones are kept, so that input cannot grow the tables. */
const contentOf = new Map<string, Buffer>()
const dottedOf = new Map<string, string>()
for (const dotted of Object.keys(OID_NAMES)) {
  const content = encodeOidContent(dotted)
  contentOf.set(dotted, content)
  dottedOf.set(content.toString('latin1'), dotted)
}

/** As `encodeOidContent`, from the table of known OIDs when it is there. The buffer is shared: do not change it. */
export function oidContent(dotted: string): Buffer {
  return contentOf.get(dotted) ?? encodeOidContent(dotted)
}

/** Dotted text of the content octets. @throws {DerError} on an unfinished arc or one that is padded with zeros */
export function decodeOidContent(content: Buffer): string {
  const known = dottedOf.get(content.toString('latin1'))
  if (known !== undefined) return known
  const last = content[content.length - 1]
  if (last === undefined || content.length > MAX_OID_OCTETS) throw new DerError('object identifier of a bad length')
  if (last & 0x80) throw new DerError('object identifier with an unfinished arc')
  const arcs: bigint[] = []
  let arc = 0n
  let fresh = true
  for (const octet of content) {
    if (fresh && octet === 0x80) throw new DerError('object identifier with a padded arc')
    arc = (arc << 7n) | BigInt(octet & 0x7f)
    fresh = (octet & 0x80) === 0
    if (fresh) {
      arcs.push(arc)
      arc = 0n
    }
  }
  const [head = 0n, ...rest] = arcs
  const first = head < 80n ? head / 40n : 2n
  return [first, head - first * 40n, ...rest].join('.')
}
