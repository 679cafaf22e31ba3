import { quote } from './quote.ts'

export type NormalizedUri =
  | { readonly ok: true; readonly uri: string }
  | { readonly ok: false; readonly reason: string }

/** SPIFFE-ID §2.3; more would be unreadable to other implementations. */
const MAX_URI = 2048
const MAX_TRUST_DOMAIN = 255

/** The characters of RFC 3986 §2 but `#`: a name has no fragment. */
const URI_TEXT = /^[A-Za-z0-9._~:/?[\]@!$&'()*+,;=%-]+$/
const SCHEME = /^[a-z][a-z0-9+.-]{0,31}$/
const TRUST_DOMAIN = /^[a-z0-9._-]+$/
const PATH_SEGMENT = /^[A-Za-z0-9._-]+$/

/**
 * Reads a URI that is to be certified (RFC 5280 §4.2.1.6): absolute, with a lower-case scheme, printable, without
 * fragment, user information or dot segments. One with the scheme `spiffe` is a SPIFFE id to the letter. What has
 * another spelling is refused, never repaired. Never throws.
 */
export function normalizeUri(text: string): NormalizedUri {
  const fault = faultOf(text)
  return fault === undefined ? { ok: true, uri: text } : { ok: false, reason: fault }
}

/** The trust domain and the path of a SPIFFE id; undefined for every other text. */
export function parseSpiffeId(
  uri: string,
): { readonly trustDomain: string; readonly path: readonly string[] } | undefined {
  if (!uri.startsWith('spiffe://') || uri.length > MAX_URI) return undefined
  const [trustDomain = '', ...path] = uri.slice('spiffe://'.length).split('/')
  if (!TRUST_DOMAIN.test(trustDomain) || trustDomain.length > MAX_TRUST_DOMAIN) return undefined
  const isPath = path.every((segment) => PATH_SEGMENT.test(segment) && segment !== '.' && segment !== '..')
  return isPath ? { trustDomain, path } : undefined
}

function faultOf(text: string): string | undefined {
  if (text.length > MAX_URI) return `it has more than ${MAX_URI} octets`
  if (!URI_TEXT.test(text)) return 'it holds a character that a URI cannot have, or a fragment'
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return 'a percent sign is not followed by two hexadecimal digits'
  const colon = text.indexOf(':')
  const scheme = text.slice(0, Math.max(colon, 0))
  const rest = text.slice(colon + 1)
  if (scheme.toLowerCase() === 'spiffe') return spiffeFault(text)
  if (!SCHEME.test(scheme)) return 'it does not begin with a scheme in lower case and a colon'
  if (rest === '' || rest === '//') return 'there is nothing after the scheme'
  if (!rest.startsWith('//')) return undefined
  const [authority = '', ...path] = rest.slice(2).split(/[?]/, 1)[0]?.split('/') ?? []
  if (authority === '') return 'there is no host after the two slashes'
  if (authority.includes('@')) return 'it holds user information'
  if (authority !== authority.toLowerCase()) return `the host ${quote(authority)} is not in lower case`
  return path.some((segment) => segment === '.' || segment === '..') ? 'it holds a dot segment' : undefined
}

/** SPIFFE-ID §2: nothing that could be written in two ways. */
function spiffeFault(text: string): string | undefined {
  if (parseSpiffeId(text) !== undefined) return undefined
  return (
    'it is no SPIFFE id: spiffe://, a trust domain of lower-case letters, digits, dots, hyphens and underscores, and ' +
    'segments of letters, digits, dots, hyphens and underscores, none of them empty, "." or ".."'
  )
}
