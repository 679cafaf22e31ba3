import { quote } from '../../lib/quote.ts'
import type { NamePattern } from '../name-pattern.ts'
import { deny, type NameRule } from './rule.ts'

/** `deny.dns`: beats every allow. A wildcard is denied when it could stand for a denied name (KF-C11). */
export function deniedDns(key: string, patterns: readonly NamePattern[]): NameRule {
  return (name) => {
    if (name.type !== 'dns') return undefined
    const pattern = patterns.find((candidate) => candidate.touches(name.value))
    if (pattern === undefined) return undefined
    const how = name.value.startsWith('*.') ? 'could stand for a denied name' : 'is denied'
    return deny(`${key} ${pattern.text}`, 'name-denied', name, `${quote(name.value)} ${how}; ask for another name`)
  }
}
