import { normalizeDnsName } from '../lib/dns-name.ts'
import { quote } from '../lib/quote.ts'
import type { JsonValue } from './endpoint.ts'
import { AcmeError } from './problem.ts'

const MAX_LOCAL_PART = 64 // RFC 5321 §4.5.3.1.1
/** A dot-atom (RFC 5322 §3.2.3) without `%`, which would begin an escape in a mailto URL. */
const LOCAL_PART = /^[A-Za-z0-9!#$&'*+/=^_`{|}~-]+(?:\.[A-Za-z0-9!#$&'*+/=^_`{|}~-]+)*$/

/**
 * Reads the `contact` of a new or changed account (RFC 8555 §7.3): plain `mailto:` addresses, one in each (KF-B21).
 *
 * @returns undefined when the member is absent; `null` and `[]` mean none (CQ-A01)
 * @throws {AcmeError} `malformed`, `unsupportedContact`, or `invalidContact`
 */
export function readContacts(value: JsonValue | undefined, maxContacts: number): readonly string[] | undefined {
  if (value === undefined) return undefined
  if (value === null) return []
  if (!Array.isArray(value)) throw new AcmeError('malformed', '"contact" is not an array of URLs')
  if (value.length > maxContacts)
    throw new AcmeError('invalidContact', `"contact" has more than ${maxContacts} entries`)
  return value.map(readContact)
}

function readContact(value: JsonValue): string {
  if (typeof value !== 'string') throw new AcmeError('malformed', '"contact" holds something other than text')
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(value)?.[0].toLowerCase()
  if (scheme === undefined) throw invalid(value, 'it is not a URL; write mailto:name@example.org')
  if (scheme !== 'mailto:') {
    throw new AcmeError('unsupportedContact', `The contact ${quote(value)} is not supported; only mailto: URLs are`)
  }
  const address = value.slice(scheme.length)
  if (address.includes('?')) throw invalid(value, 'a mailto URL with header fields is not accepted')
  if (address.includes(',')) throw invalid(value, 'give one address in each URL')
  const at = address.lastIndexOf('@')
  const localPart = address.slice(0, Math.max(at, 0))
  if (at < 1 || localPart.length > MAX_LOCAL_PART || !LOCAL_PART.test(localPart))
    throw invalid(value, 'it is not a plain e-mail address')
  const domain = normalizeDnsName(address.slice(at + 1))
  if (!domain.ok) throw invalid(value, `of its domain: ${domain.reason}`)
  return `mailto:${localPart}@${domain.name}`
}

function invalid(value: string, reason: string): AcmeError {
  return new AcmeError('invalidContact', `The contact ${quote(value)} is not acceptable: ${reason}`)
}
