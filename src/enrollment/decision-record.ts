import type { Decided } from '../issuance/examine.ts'
import type { Decision } from '../policy/decision.ts'
import type { DecisionRecord } from '../store/decisions.ts'

/** A decision as the store keeps it, with what it was about. */
export function decisionRecord(
  { asked, decision }: Decided,
  about: { readonly reference?: string; readonly orderId?: string; readonly serial?: string },
): DecisionRecord {
  const { reference, orderId, serial } = about
  return {
    ...(reference !== undefined && { reference }),
    ...(orderId !== undefined && { orderId }),
    ...(serial !== undefined && { serial }),
    request: asked,
    decision,
  }
}

/** The reasons as the operator's log and audit trail keep them. */
export function decisionFacts({ reasons, version }: Decision): { reasons: readonly object[]; version?: string } {
  return {
    reasons: reasons.map(({ rule, code, detail, name }) => ({
      rule,
      code,
      detail,
      ...(name && { name: `${name.type}:${name.value}` }),
    })),
    ...(version !== undefined && { version }),
  }
}
