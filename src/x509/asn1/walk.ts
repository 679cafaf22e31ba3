import { DerError } from './der-error.ts'
import { CONSTRUCTED, TAG } from './tags.ts'

/** Elements inside elements, the outermost being 1. Certificates need 9; anything deeper is an attack (KF-F10). */
export const MAX_DEPTH = 16

/** Where the content of an element lies. */
export interface Extent {
  readonly start: number
  readonly end: number
}

/**
 * Reads the identifier and length octets at `at` (X.690 §8.1, §10.1) and checks that the element ends by `end`.
 * No memory is set aside by what a length claims.
 *
 * @throws {DerError} on high tag numbers, indefinite or padded lengths, and elements that do not fit
 */
export function readHeader(bytes: Buffer, at: number, end: number): Extent {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined || at + 2 > end) throw new DerError('an element is cut short')
  if ((tag & 0x1f) === 0x1f) throw new DerError('tag numbers above 30 are not used in X.509')
  let start = at + 2
  let length = first
  if (first >= 0x80) {
    const octets = first & 0x7f
    if (octets === 0) throw new DerError('indefinite length is not DER')
    if (octets > 4) throw new DerError('a length of more than four octets')
    if (start + octets > end) throw new DerError('an element is cut short')
    length = bytes.readUIntBE(start, octets)
    start += octets
    if (length < 0x80 || length < 256 ** (octets - 1)) throw new DerError('a length is not in its shortest form')
  }
  if (length > end - start) throw new DerError('an element is longer than what holds it')
  return { start, end: start + length }
}

/**
 * Checks everything inside one element that is kept unread: headers, depth, and that universal types have the
 * form DER gives them (no constructed strings). Does not recurse, and looks at each octet at most once.
 *
 * @param depth how deep the element itself lies
 * @throws {DerError}
 */
export function checkNested(bytes: Buffer, at: number, end: number, depth: number): void {
  /** Ends of the elements that are open around the cursor, innermost last. */
  const ends: number[] = []
  let cursor = at
  let limit = end
  while (cursor < end) {
    if (depth + ends.length > MAX_DEPTH) throw new DerError(`elements are nested more than ${MAX_DEPTH} deep`)
    const tag = bytes[cursor] ?? 0
    const extent = readHeader(bytes, cursor, limit)
    checkForm(tag)
    if (tag & CONSTRUCTED) {
      ends.push(limit)
      limit = extent.end
      cursor = extent.start
    } else {
      cursor = extent.end
    }
    while (cursor === limit && ends.length > 0) limit = ends.pop() ?? end
  }
}

/** SEQUENCE and SET are constructed, all other universal types primitive (X.690 §8, §10.2). */
export function checkForm(tag: number): void {
  if (tag >= 0x40) return
  const number = tag & 0x1f
  const isPrimitive = (tag & CONSTRUCTED) === 0
  const ok =
    tag === TAG.sequence || tag === TAG.set || (isPrimitive && number !== 0 && number !== 0x10 && number !== 0x11)
  if (!ok) throw new DerError(`identifier octet 0x${tag.toString(16).padStart(2, '0')} is not DER`)
}
