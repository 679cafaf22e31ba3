import { quote } from '../../lib/quote.ts'
import type { NamePattern } from '../name-pattern.ts'
import { allow, type NameRule } from './rule.ts'

/** `allow.dns`: a wildcard needs a pattern that holds every name it stands for. */
export function allowedDns(key: string, patterns: readonly NamePattern[]): NameRule {
  return (name) => {
    if (name.type !== 'dns') return undefined
    const pattern = patterns.find((candidate) => candidate.holds(name.value))
    return pattern && allow(`${key} ${pattern.text}`, name, `${quote(name.value)} is allowed by ${quote(pattern.text)}`)
  }
}
