import { quote } from '../../lib/quote.ts'
import { deny, type NameRule } from './rule.ts'

/** `allow.wildcards`: the switch for wildcards as such. On, it allows nothing by itself. */
export function wildcard(key: string, allowed: boolean): NameRule {
  return (name) => {
    if (allowed || name.type !== 'dns' || !name.value.startsWith('*.')) return undefined
    return deny(
      key,
      'name-not-allowed',
      name,
      `${quote(name.value)} is a wildcard, and none are issued; list each name`,
    )
  }
}
