/** Distinguished encodings (X.690 §10, §11), one function a type; each returns a whole element. */
import { oidContent } from './oid.ts'
import { contextConstructedTag, contextPrimitiveTag, TAG } from './tags.ts'
import { encodeTime } from './time.ts'

function headerSize(length: number): number {
  if (length < 0x80) return 2
  if (length < 0x100) return 3
  if (length < 0x10000) return 4
  return length < 0x1000000 ? 5 : 6
}

/** Writes identifier and length octets at the start of `into`; returns the offset of the content. */
function writeHeader(into: Buffer, tag: number, length: number): number {
  into[0] = tag
  if (length < 0x80) {
    into[1] = length
    return 2
  }
  const octets = headerSize(length) - 2
  into[1] = 0x80 | octets
  into.writeUIntBE(length, 2, octets)
  return 2 + octets
}

/** One element of any tag around `content`. */
export function element(tag: number, content: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(headerSize(content.length) + content.length)
  out.set(content, writeHeader(out, tag, content.length))
  return out
}

/** Identifier and length octets alone, for content that is long and written behind them piece by piece. */
export function header(tag: number, length: number): Buffer {
  const out = Buffer.allocUnsafe(headerSize(length))
  writeHeader(out, tag, length)
  return out
}

/** One element of any tag around other elements, put one behind the other. */
export function constructed(tag: number, parts: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const part of parts) length += part.length
  const out = Buffer.allocUnsafe(headerSize(length) + length)
  let at = writeHeader(out, tag, length)
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return constructed(TAG.sequence, parts)
}

/** SET OF: elements are sorted by their encodings (X.690 §11.6). */
export function set(...parts: readonly Uint8Array[]): Buffer {
  return constructed(TAG.set, [...parts].sort(Buffer.compare))
}

/**
 * INTEGER from content octets, big-endian two's complement, which must be minimal already; or from a number.
 *
 * @throws {RangeError} when the octets are not minimal
 */
export function integer(value: Uint8Array | bigint | number): Buffer {
  if (typeof value === 'bigint' || typeof value === 'number') return element(TAG.integer, integerContent(BigInt(value)))
  const first = value[0]
  const second = value[1]
  if (first === undefined) throw new RangeError('an INTEGER has at least one octet')
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw new RangeError('INTEGER octets are not minimal')
  }
  return element(TAG.integer, value)
}

/** Minimal content octets of a number that is not negative. @throws {RangeError} on a negative one */
export function integerContent(value: bigint): Buffer {
  if (value < 0n) throw new RangeError('negative numbers are not written')
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return (bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
}

export function enumerated(value: number): Buffer {
  return element(TAG.enumerated, integerContent(BigInt(value)))
}

export function oid(dotted: string): Buffer {
  return element(TAG.oid, oidContent(dotted))
}

export function boolean(value: boolean): Buffer {
  return Buffer.of(TAG.boolean, 1, value ? 0xff : 0)
}

export function octetString(bytes: Uint8Array): Buffer {
  return element(TAG.octetString, bytes)
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  const content = Buffer.allocUnsafe(bytes.length + 1)
  content[0] = unusedBits
  content.set(bytes, 1)
  return element(TAG.bitString, content)
}

/** BIT STRING with named bits: bit 0 is the top bit of the first octet, trailing zero bits dropped (X.690 §11.2.2). */
export function namedBits(bits: readonly number[]): Buffer {
  return element(TAG.bitString, namedBitsContent(bits))
}

/** Content octets of `namedBits`, for an implicit tag. */
export function namedBitsContent(bits: readonly number[]): Buffer {
  const highest = Math.max(-1, ...bits)
  const content = Buffer.alloc(1 + Math.ceil((highest + 1) / 8))
  for (const bit of bits) {
    const at = 1 + (bit >> 3)
    content[at] = (content[at] ?? 0) | (0x80 >> (bit & 7))
  }
  content[0] = (content.length - 1) * 8 - (highest + 1)
  return content
}

export function utf8String(text: string): Buffer {
  return element(TAG.utf8String, Buffer.from(text, 'utf8'))
}

/** @throws {RangeError} when a character is not in the alphabet of PrintableString (X.680 §41.4) */
export function printableString(text: string): Buffer {
  // Without the text, which may be nobody's business who hears of the fault.
  if (!/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text))
    throw new RangeError("not a PrintableString: it holds only letters, digits, spaces and '()+,-./:=?")
  return element(TAG.printableString, Buffer.from(text, 'latin1'))
}

export function ia5String(text: string): Buffer {
  return element(TAG.ia5String, ia5Content(text))
}

/** Content octets of an IA5String. @throws {RangeError} on anything but printable ASCII, which is all we write */
export function ia5Content(text: string): Buffer {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new RangeError(`not printable ASCII: ${JSON.stringify(text)}`)
  return Buffer.from(text, 'latin1')
}

/** UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5). @throws {RangeError} on part of a second */
export function time(at: Date): Buffer {
  const { tag, text } = encodeTime(at)
  return element(tag, Buffer.from(text, 'latin1'))
}

/** `[n]` IMPLICIT over a primitive type: `bytes` are the content octets. */
export function contextPrimitive(n: number, bytes: Uint8Array): Buffer {
  return element(contextPrimitiveTag(n), bytes)
}

/** `[n]` EXPLICIT around an element, or IMPLICIT over a SEQUENCE or SET of the parts. */
export function contextConstructed(n: number, ...parts: readonly Uint8Array[]): Buffer {
  return constructed(contextConstructedTag(n), parts)
}

/** Bytes that are a whole element already, as a Buffer over the same memory. */
export function raw(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
