import { normalizeDnsName } from './dns-name.ts'
import { normalizeEmail } from './email-address.ts'
import { looksLikeIpAddress, parseIpAddress } from './ip-address.ts'
import { quote } from './quote.ts'
import { normalizeUri } from './uri.ts'

/**
 * What a certificate is asked to name (RFC 8555 §7.1.3, RFC 8738 §3, RFC 8823 §3). The value is always in its one normal
 * form: a lower-case LDH name (`*.` allowed in front for orders), canonical address text, a URI as `normalizeUri` takes
 * it, or a mail address with a lower-case domain. Only `parseIdentifier` makes one from outside text.
 */
export type Identifier =
  | { readonly type: 'dns'; readonly value: string }
  | { readonly type: 'ip'; readonly value: string }
  | { readonly type: 'uri'; readonly value: string }
  | { readonly type: 'email'; readonly value: string }

export const IDENTIFIER_TYPES = ['dns', 'ip', 'uri', 'email'] as const satisfies readonly Identifier['type'][]

export function isIdentifierType(text: string): text is Identifier['type'] {
  return IDENTIFIER_TYPES.some((type) => type === text)
}

export type ParsedIdentifier =
  | { readonly ok: true; readonly identifier: Identifier }
  | {
      readonly ok: false
      readonly problem: 'unsupportedIdentifier' | 'malformed' | 'rejectedIdentifier'
      readonly detail: string
    }

/**
 * Reads an identifier of an order (RFC 8555 §7.1.4): type `dns`, with at most one `*.` in front, or type `ip`.
 * A URI or a mail address can be
 * asked for as well; whether anybody may have it is for policy. An address given as type `dns` is told apart from a bad name (CQ-O09). Never throws.
 */
export function parseIdentifier(input: { readonly type: string; readonly value: string }): ParsedIdentifier {
  const { type, value } = input
  if (type === 'dns') {
    if (looksLikeIpAddress(value)) {
      return failed('rejectedIdentifier', `${quote(value)} is an IP address; ask for it with the identifier type "ip"`)
    }
    const dns = normalizeDnsName(value, { wildcard: true })
    if (!dns.ok) return failed('malformed', `${quote(value)} is not a valid DNS name: ${dns.reason}`)
    return { ok: true, identifier: { type: 'dns', value: dns.name } }
  }
  if (type === 'ip') {
    const ip = parseIpAddress(value)
    if (!ip.ok) return failed('malformed', `${quote(value)} is not a valid IP address: ${ip.reason}`)
    return { ok: true, identifier: { type: 'ip', value: ip.address } }
  }
  if (type === 'uri') {
    const uri = normalizeUri(value)
    if (!uri.ok) return failed('malformed', `${quote(value)} is not a URI that can be certified: ${uri.reason}`)
    return { ok: true, identifier: { type: 'uri', value: uri.uri } }
  }
  if (type === 'email') {
    const email = normalizeEmail(value)
    if (!email.ok) return failed('malformed', `${quote(value)} is not a mail address: ${email.reason}`)
    return { ok: true, identifier: { type: 'email', value: email.address } }
  }
  const types = IDENTIFIER_TYPES.map((known) => `"${known}"`).join(', ')
  return failed('unsupportedIdentifier', `The identifier type ${quote(type)} is not supported; use one of ${types}`)
}

/** A text key that is equal for equal identifiers; for maps and sets. */
export function identifierKey(identifier: Identifier): string {
  return `${identifier.type}:${identifier.value}`
}

/** The identifiers without repetition, in the order of their first appearance (KF-A28, CQ-O07). */
export function distinctIdentifiers(identifiers: readonly Identifier[]): Identifier[] {
  const byKey = new Map<string, Identifier>()
  for (const identifier of identifiers) {
    const key = identifierKey(identifier)
    if (!byKey.has(key)) byKey.set(key, identifier)
  }
  return [...byKey.values()]
}

/** The value without a leading `*.`: the name that is proved, and the identifier of an authorization (RFC 8555 §7.1.4). */
export function baseName(identifier: Identifier): string {
  return isWildcard(identifier) ? identifier.value.slice(2) : identifier.value
}

export function isWildcard(identifier: Identifier): boolean {
  return identifier.type === 'dns' && identifier.value.startsWith('*.')
}

function failed(
  problem: 'unsupportedIdentifier' | 'malformed' | 'rejectedIdentifier',
  detail: string,
): ParsedIdentifier {
  return { ok: false, problem, detail }
}

/**
 * Whether names of this type are proved by what the account is bound to, and by no challenge: nobody can be asked at a
 * URI or over a mail address whether it is theirs.
 */
export function isProvedByAccount({ type }: Pick<Identifier, 'type'>): boolean {
  return type === 'uri' || type === 'email'
}
