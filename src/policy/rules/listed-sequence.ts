import { quote } from '../../lib/quote.ts'
import { emailParts, emailPattern, uriParts, uriPattern } from '../language/name-parts.ts'
import { holdsSequence } from '../language/sequence-pattern.ts'
import { allow, deny, type NameRule } from './rule.ts'

const FORMS = {
  uri: { pattern: uriPattern, parts: uriParts },
  email: { pattern: emailPattern, parts: emailParts },
} as const

/**
 * `allow.uri`, `deny.uri` and the same for `email`: patterns by whole segments or labels. A name that is not in the form
 * of patterns is held by none of them.
 *
 * @throws {Error} when a pattern cannot be read
 */
export function listedSequence(
  key: string,
  type: keyof typeof FORMS,
  effect: 'allow' | 'deny',
  texts: readonly string[],
): NameRule {
  const { pattern, parts } = FORMS[type]
  const patterns = texts.map((text) => ({ text, sequence: pattern(text) }))
  return (name) => {
    if (name.type !== type) return undefined
    const own = parts(name.value)
    const found = own && patterns.find(({ sequence }) => holdsSequence(sequence, own))
    if (found === undefined) return undefined
    const rule = `${key} ${found.text}`
    return effect === 'allow'
      ? allow(rule, name, `${quote(name.value)} is allowed by ${quote(found.text)}`)
      : deny(rule, 'name-denied', name, `${quote(name.value)} is denied; ask for another name`)
  }
}
