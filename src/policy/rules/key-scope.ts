import type { Requester } from '../decision.ts'
import type { RequestRule } from './rule.ts'

/** Whether a rule of this name may allow something to the requester, as far as its external account key says. */
export function isInScope(requester: Requester, rule: string): boolean {
  const scope = requester.kind === 'account' ? requester.externalKey?.scope : undefined
  return scope === undefined || scope.includes(rule)
}

/** Where rules have no names of their own, a key that is for some of them is for none. */
export function keyScope(rule: string): RequestRule {
  return ({ requester }) => {
    if (requester.kind !== 'account' || requester.externalKey?.scope === undefined) return []
    const detail = 'Your external account key is for certain rules of a policy file, and this directory has none'
    return [{ rule, code: 'condition', detail }]
  }
}
