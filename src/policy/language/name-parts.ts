import { normalizeDnsName } from '../../lib/dns-name.ts'
import { quote } from '../../lib/quote.ts'
import type { Parts, SequencePattern } from './sequence-pattern.ts'
import { compileSequence } from './sequence-pattern.ts'

/** How names of one type fall into parts, and how their patterns are read. Every function is total over any text. */

const MAX_URI_LENGTH = 2048
/** Unreserved characters, and those that a path segment may have besides (RFC 3986 §3.3); no percent, so one spelling. */
const SEGMENT = /^[A-Za-z0-9._~!$&'()+,;=:@-]{1,255}$/
const SCHEME = /^[a-z][a-z0-9+.-]{0,31}$/
const AUTHORITY = /^[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?$/
const LOCAL_PART = /^[A-Za-z0-9.!#$%&'+/=?^_`{|}~-]{1,64}$/

/** `www.corp.test` → `test, corp, www`. */
export function dnsParts(name: string): Parts {
  return name.split('.').reverse()
}

/**
 * `spiffe://corp.test/ns/a` → `spiffe, corp.test, ns, a`; undefined for a URI without authority, or with a query, a
 * fragment, a port, user information, an empty or dot segment, or a percent sign: nothing that has a second spelling.
 */
export function uriParts(uri: string): Parts | undefined {
  if (uri.length > MAX_URI_LENGTH) return undefined
  const colon = uri.indexOf('://')
  if (colon < 1) return undefined
  const [authority = '', ...segments] = uri.slice(colon + 3).split('/')
  const scheme = uri.slice(0, colon)
  if (!SCHEME.test(scheme) || !AUTHORITY.test(authority)) return undefined
  if (!segments.every((segment) => SEGMENT.test(segment) && segment !== '.' && segment !== '..')) return undefined
  return [scheme, authority, ...segments]
}

/** `ann@corp.test` → `test, corp, @, ann`. The local part is compared as it is written (RFC 5321 §2.4). */
export function emailParts(address: string): Parts | undefined {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at)
  const domain = normalizeDnsName(address.slice(at + 1))
  if (at < 1 || !LOCAL_PART.test(local) || !domain.ok || domain.name !== address.slice(at + 1)) return undefined
  return [...dnsParts(domain.name), '@', local]
}

/** @throws {Error} naming the fault */
export function dnsPattern(text: string): SequencePattern {
  const standIn = withoutStars(text, '.')
  const normal = normalizeDnsName(standIn)
  if (!normal.ok) throw faultOf(text, 'a name pattern such as www.a.test, *.a.test or **.a.test', normal.reason)
  return compiled(text, dnsParts(text.toLowerCase()))
}

/** @throws {Error} naming the fault */
export function uriPattern(text: string): SequencePattern {
  const shape = 'a URI pattern such as spiffe://corp.test/ns/*/sa/web'
  const colon = text.indexOf('://')
  const segments = text.slice(colon + 3).split('/')
  if (colon < 1 || uriParts(`${text.slice(0, colon)}://${withoutStars(segments.join('/'), '/')}`) === undefined) {
    throw faultOf(text, shape, 'scheme and authority must be lower case, and segments plain')
  }
  if (segments[0]?.includes('*')) throw faultOf(text, shape, 'the authority must be written out')
  return compiled(text, [text.slice(0, colon), ...segments])
}

/** @throws {Error} naming the fault */
export function emailPattern(text: string): SequencePattern {
  const at = text.lastIndexOf('@')
  const standIn = `${withoutStars(text.slice(0, at), '\0')}@${withoutStars(text.slice(at + 1), '.')}`
  const parts = at < 1 ? undefined : emailParts(standIn)
  if (parts === undefined) throw faultOf(text, 'an address pattern such as *@corp.test', 'it is no address')
  return compiled(text, [...dnsParts(text.slice(at + 1).toLowerCase()), '@', text.slice(0, at)])
}

/** Stars replaced by a letter, so that what is left can be judged as a name. */
function withoutStars(text: string, separator: string): string {
  return text
    .split(separator)
    .map((part) => (part === '*' || part === '**' ? 'x' : part))
    .join(separator)
}

function compiled(text: string, parts: Parts): SequencePattern {
  try {
    return compileSequence(parts)
  } catch (cause) {
    throw faultOf(text, 'a pattern', cause instanceof Error ? cause.message : String(cause))
  }
}

function faultOf(text: string, what: string, fault: string): Error {
  return new Error(`${quote(text)} is not ${what}: ${fault}`)
}
