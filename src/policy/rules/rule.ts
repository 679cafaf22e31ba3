import type { PolicyRequest, Reason, RequestedName } from '../decision.ts'

/** What one rule says of one name. */
export interface Verdict {
  readonly outcome: 'allow' | 'deny'
  readonly reason: Reason
}

/** Says of a name that it may or may not be, or undefined: the next rule is asked. Total over any name. */
export type NameRule = (name: RequestedName) => Verdict | undefined

/** Why the request as a whole may not be; empty: nothing against it. */
export type RequestRule = (request: PolicyRequest) => readonly Reason[]

export function allow(rule: string, name: RequestedName, detail: string): Verdict {
  return { outcome: 'allow', reason: { rule, code: 'allowed', detail, name } }
}

export function deny(rule: string, code: Reason['code'], name: RequestedName, detail: string): Verdict {
  return { outcome: 'deny', reason: { rule, code, detail, name } }
}
