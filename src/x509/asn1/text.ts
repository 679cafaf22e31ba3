import { DerError } from './der-error.ts'
import { TAG } from './tags.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Printable ASCII or nothing: no NUL, no control character, no DEL (KF-C16). */
export function isPrintableAscii(content: Uint8Array): boolean {
  for (let i = 0; i < content.length; i++) {
    const octet = content[i] as number
    if (octet < 0x20 || octet > 0x7e) return false
  }
  return true
}

/** The text of an IA5String that names something. @throws {DerError} on anything but printable ASCII (KF-C16) */
export function decodeIa5(content: Buffer): string {
  if (!isPrintableAscii(content)) throw new DerError('text holds a character that is not printable ASCII')
  return content.toString('latin1')
}

/**
 * The text of a name attribute (KF-C16). UTF8String must be valid and free of control characters. PrintableString,
 * IA5String and T61String are read when they are printable ASCII: senders put `*`, `@` and `_` into the first, and
 * the octets of the last above 7e have no agreed meaning. BMPString and all other types are refused.
 *
 * @throws {DerError}
 */
export function decodeText(tag: number, content: Buffer): string {
  switch (tag) {
    case TAG.utf8String:
      return isPrintableAscii(content) ? content.toString('latin1') : decodeUtf8(content)
    case TAG.printableString:
    case TAG.ia5String:
    case TAG.t61String:
      return decodeIa5(content)
    default:
      throw new DerError('text must be a UTF8String, PrintableString, IA5String or T61String')
  }
}

function decodeUtf8(content: Buffer): string {
  let text: string
  try {
    text = utf8.decode(content)
  } catch {
    throw new DerError('UTF8String is not valid UTF-8')
  }
  if (/\p{Cc}/u.test(text)) throw new DerError('text holds a control character')
  return text
}
