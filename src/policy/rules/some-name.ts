import type { RequestRule } from './rule.ts'

/** A certificate names at least one thing. */
export function someName(): RequestRule {
  return ({ names }) => {
    if (names.length > 0) return []
    return [{ rule: 'some-name', code: 'name-not-allowed', detail: 'No name was asked for; ask for at least one' }]
  }
}
