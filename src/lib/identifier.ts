/**
 * What a certificate is asked to name (RFC 8555 §7.1.3, RFC 8738 §3). The value is always in its one normal form:
 * a lower-case LDH name (`*.` allowed in front for orders), or canonical address text. Only `parseIdentifier`
 * makes one from outside text.
 */
export type Identifier = { readonly type: 'dns'; readonly value: string } | { readonly type: 'ip'; readonly value: string }

/** A text key that is equal for equal identifiers; for maps and sets. */
export function identifierKey(identifier: Identifier): string {
  return `${identifier.type}:${identifier.value}`
}
