import { DerError } from './der-error.ts'
import { decodeOidContent } from './oid.ts'
import { CONSTRUCTED, contextConstructedTag, contextPrimitiveTag, TAG } from './tags.ts'
import { decodeIa5, decodeText } from './text.ts'
import { decodeTime } from './time.ts'
import { checkForm, checkNested, type Extent, MAX_DEPTH, readHeader } from './walk.ts'

export interface DerReaderOptions {
  /** The most octets that are looked at; longer input is refused unread. Default 64 KiB. */
  readonly maxBytes?: number
  /** How deep the bytes lie already. Default 0. */
  readonly depth?: number
}

const MAX_BYTES = 65_536
const NO_OPTIONS: DerReaderOptions = Object.freeze({})

/**
 * A cursor over strict DER (X.690 §10): definite minimal lengths, low tag numbers, no trailing bytes. Every
 * method that reads moves behind what it read or throws `DerError`; nothing is guessed and nothing skipped.
 * What it returns are views of the bytes it was given.
 */
export class DerReader {
  readonly #bytes: Buffer
  readonly #depth: number
  #at: number
  readonly #end: number

  /** @param from where reading begins, and `end` where it ends; by default the whole of `bytes` */
  constructor(
    bytes: Uint8Array,
    { maxBytes = MAX_BYTES, depth = 0 }: DerReaderOptions = NO_OPTIONS,
    from = 0,
    end = bytes.length,
  ) {
    if (end - from > maxBytes) throw new DerError(`longer than ${maxBytes} bytes`)
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#depth = depth
    this.#at = from
    this.#end = end
  }

  /** True when nothing is left. */
  get done(): boolean {
    return this.#at >= this.#end
  }

  /** The next identifier octet, or undefined at the end. */
  get nextTag(): number | undefined {
    return this.#at < this.#end ? this.#bytes[this.#at] : undefined
  }

  /** Whether the next element has this identifier octet; for OPTIONAL fields. */
  isAt(tag: number): boolean {
    return this.nextTag === tag
  }

  /** Whether `[n]` comes next, with a primitive value. */
  isAtPrimitive(n: number): boolean {
    return this.isAt(contextPrimitiveTag(n))
  }

  /** Whether `[n]` comes next, holding elements. */
  isAtConstructed(n: number): boolean {
    return this.isAt(contextConstructedTag(n))
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (!this.done) throw new DerError('bytes follow where nothing may follow')
  }

  /** Content octets of a primitive element. */
  content(tag: number): Buffer {
    const { start, end } = this.#enter(tag)
    return this.#bytes.subarray(start, end)
  }

  /** A whole element, header included, kept unread but checked to be strict DER all the way down. */
  element(tag?: number): Buffer {
    const from = this.#at
    const found = this.nextTag
    if (found === undefined || (tag !== undefined && found !== tag)) throw this.#unexpected(tag)
    const { end } = readHeader(this.#bytes, from, this.#end)
    if (found & CONSTRUCTED) checkNested(this.#bytes, from, end, this.#depth + 1)
    else checkForm(found)
    this.#at = end
    return this.#bytes.subarray(from, end)
  }

  /** A whole element whose inside the caller is going to read; only the header is checked. */
  rawElement(tag: number): Buffer {
    const from = this.#at
    const { end } = this.#enter(tag)
    return this.#bytes.subarray(from, end)
  }

  /** A reader of what a constructed element holds. */
  constructed(tag: number): DerReader {
    const depth = this.#depth + 1
    if (depth > MAX_DEPTH) throw new DerError(`elements are nested more than ${MAX_DEPTH} deep`)
    const { start, end } = this.#enter(tag)
    return new DerReader(this.#bytes, { maxBytes: Number.POSITIVE_INFINITY, depth }, start, end)
  }

  /** Moves behind an element of this tag, and says where its content lies. */
  #enter(tag: number): Extent {
    if (!this.isAt(tag)) throw this.#unexpected(tag)
    const extent = readHeader(this.#bytes, this.#at, this.#end)
    this.#at = extent.end
    return extent
  }

  sequence(): DerReader {
    return this.constructed(TAG.sequence)
  }

  set(): DerReader {
    return this.constructed(TAG.set)
  }

  /** What `[n]` holds: EXPLICIT, or IMPLICIT over a SEQUENCE or SET. */
  contextConstructed(n: number): DerReader {
    return this.constructed(contextConstructedTag(n))
  }

  /** Content octets of `[n]` IMPLICIT over a primitive type. */
  contextPrimitive(n: number): Buffer {
    return this.content(contextPrimitiveTag(n))
  }

  /** Content octets of an INTEGER, checked to be minimal (X.690 §8.3.2). May be negative: see `isNegative`. */
  integer(tag: number = TAG.integer): Buffer {
    const content = this.content(tag)
    const first = content[0]
    const second = content[1]
    if (first === undefined) throw new DerError('an INTEGER without octets')
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw new DerError('an INTEGER is not in its shortest form')
    }
    return content
  }

  /** An INTEGER from 0 to 2^31-1. */
  smallInteger(tag: number = TAG.integer): number {
    const content = this.integer(tag)
    if (content.length > 4 || (content[0] ?? 0) >= 0x80) throw new DerError('an INTEGER is out of range')
    return content.readUIntBE(0, content.length)
  }

  enumerated(): number {
    return this.smallInteger(TAG.enumerated)
  }

  boolean(): boolean {
    const content = this.content(TAG.boolean)
    const value = content.length === 1 ? content[0] : undefined
    if (value !== 0 && value !== 0xff) throw new DerError('a BOOLEAN must be 00 or FF')
    return value === 0xff
  }

  /** `BOOLEAN DEFAULT FALSE`: absent means false, and false must be absent (X.690 §11.5). */
  booleanDefaultFalse(tag: number = TAG.boolean): boolean {
    if (!this.isAt(tag)) return false
    const content = this.content(tag)
    if (content.length !== 1 || content[0] !== 0xff)
      throw new DerError('a BOOLEAN that defaults to FALSE must be FF or absent')
    return true
  }

  null(): void {
    if (this.content(TAG.null).length !== 0) throw new DerError('NULL has no content')
  }

  oid(): string {
    return decodeOidContent(this.content(TAG.oid))
  }

  octetString(): Buffer {
    return this.content(TAG.octetString)
  }

  /** A BIT STRING that holds octets: no unused bits. */
  octetAlignedBitString(): Buffer {
    const { bytes, unusedBits } = this.bitString()
    if (unusedBits !== 0) throw new DerError('a BIT STRING does not hold whole octets')
    return bytes
  }

  /** A BIT STRING; the unused bits are checked to be zero (X.690 §11.2.1). */
  bitString(tag: number = TAG.bitString): { bytes: Buffer; unusedBits: number } {
    const content = this.content(tag)
    const unusedBits = content[0]
    const bytes = content.subarray(1)
    const last = bytes[bytes.length - 1] ?? 0
    if (unusedBits === undefined || unusedBits > 7 || (bytes.length === 0 && unusedBits !== 0)) {
      throw new DerError('a BIT STRING has a bad count of unused bits')
    }
    if (last & ((1 << unusedBits) - 1)) throw new DerError('a BIT STRING has unused bits that are not zero')
    return { bytes, unusedBits }
  }

  /** Numbers of the named bits that are set; trailing zero bits are refused (X.690 §11.2.2). */
  namedBits(tag: number = TAG.bitString): number[] {
    const { bytes, unusedBits } = this.bitString(tag)
    const bits: number[] = []
    const count = bytes.length * 8 - unusedBits
    if (count > 32) throw new DerError('a BIT STRING names more bits than are defined')
    for (let bit = 0; bit < count; bit++) if ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) bits.push(bit)
    if (count > 0 && bits[bits.length - 1] !== count - 1) throw new DerError('named bits end in zero bits')
    return bits
  }

  /** A string of a name attribute: UTF8String, PrintableString, IA5String or T61String (see `decodeText`). */
  text(): string {
    const tag = this.nextTag
    if (tag === undefined) throw this.#unexpected(undefined)
    if (tag & CONSTRUCTED) throw new DerError('a string must be primitive')
    return decodeText(tag, this.content(tag))
  }

  /** An IA5String of printable ASCII, under its own tag or an implicit one. */
  ia5String(tag: number = TAG.ia5String): string {
    return decodeIa5(this.content(tag))
  }

  /** UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 has them. */
  time(): Date {
    const tag = this.isAt(TAG.utcTime) ? TAG.utcTime : TAG.generalizedTime
    return decodeTime(tag, this.content(tag))
  }

  #unexpected(wanted: number | undefined): DerError {
    const found = this.nextTag
    const name = (tag: number): string => `0x${tag.toString(16).padStart(2, '0')}`
    const expected = wanted === undefined ? 'an element' : `identifier octet ${name(wanted)}`
    return new DerError(`${expected} expected, found ${found === undefined ? 'the end' : name(found)}`)
  }
}

/** Whether INTEGER content octets stand for a number below zero. */
export function isNegative(content: Uint8Array): boolean {
  return (content[0] ?? 0) >= 0x80
}
