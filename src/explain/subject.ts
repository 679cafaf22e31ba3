import { parseId } from '../lib/ids.ts'

/** What is to be explained: the reference of a refusal, an order, or a certificate by its serial in lower-case hex. */
export interface Subject {
  readonly kind: 'reference' | 'order' | 'serial'
  readonly id: string
}

const MAX_SERIAL_DIGITS = 40

/**
 * Reads what an operator was given: a reference, the id or URL of an order, the URL of a certificate, or a serial as
 * programs print it (`4F:01`, `0x4f01`, without its leading zero).
 *
 * @returns undefined when it is none of these
 */
export function readSubject(text: string): Subject | undefined {
  const [, order] = /\/order\/([^/?#]+)(?:\/finalize)?$/.exec(text) ?? []
  const [, certificate] = /\/certificate\/([^/?#]+)(?:\/\d+)?$/.exec(text) ?? []
  const word = (order ?? certificate ?? text).trim()
  if (parseId('request', word) !== undefined) return { kind: 'reference', id: word }
  if (parseId('order', word) !== undefined) return { kind: 'order', id: word }
  const digits = word.replace(/^0x/i, '').replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]+$/.test(digits) || digits.length > MAX_SERIAL_DIGITS) return undefined
  return { kind: 'serial', id: digits.length % 2 === 0 ? digits : `0${digits}` }
}
