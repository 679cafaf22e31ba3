import { normalizeDnsName } from './dns-name.ts'
import { looksLikeIpAddress, parseIpAddress } from './ip-address.ts'
import { quote } from './quote.ts'

/**
 * What a certificate is asked to name (RFC 8555 §7.1.3, RFC 8738 §3). The value is always in its one normal form:
 * a lower-case LDH name (`*.` allowed in front for orders), or canonical address text. Only `parseIdentifier`
 * makes one from outside text.
 */
export type Identifier =
  | { readonly type: 'dns'; readonly value: string }
  | { readonly type: 'ip'; readonly value: string }

export type ParsedIdentifier =
  | { readonly ok: true; readonly identifier: Identifier }
  | {
      readonly ok: false
      readonly problem: 'unsupportedIdentifier' | 'malformed' | 'rejectedIdentifier'
      readonly detail: string
    }

/**
 * Reads an identifier of an order (RFC 8555 §7.1.4): type `dns`, with at most one `*.` in front, or type `ip`.
 * An address given as type `dns` is told apart from a bad name (CQ-O09). Never throws.
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
  return failed('unsupportedIdentifier', `The identifier type ${quote(type)} is not supported; use "dns" or "ip"`)
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
