import type { Identifier } from '../lib/identifier.ts'
import type { Proof } from '../policy/decision.ts'
import type { AuthorizationRecord, OrderWithAuthorizations } from '../store/records.ts'

/** The value that was proved, from the stored authorization and nowhere else (KF-A19). */
export function provedIdentifier({ identifier, wildcard }: AuthorizationRecord): Identifier {
  return wildcard ? { type: 'dns', value: `*.${identifier.value}` } : identifier
}

/**
 * How each name of an order was proved, for policy; one that was not has no proof. What the profile adds is proved by what
 * the account was bound to when the order was made.
 */
export function proofsOf({ order, authorizations }: OrderWithAuthorizations): Proof[] {
  const proved = authorizations.flatMap(proofOf)
  const added = (order.profile.addedNames ?? [])
    .filter((name) => !proved.some((one) => one.name.type === name.type && one.name.value === name.value))
    .map((name): Proof => ({ name, method: 'account-binding', at: order.createdAt }))
  return [...proved, ...added]
}

function proofOf(authorization: AuthorizationRecord): Proof[] {
  const name = provedIdentifier(authorization)
  const { proof } = authorization
  if (proof !== undefined) return [{ name, method: proof.method, at: proof.at }]
  const proved = authorization.challenges.find(({ validatedAt }) => validatedAt !== undefined)
  if (proved?.validatedAt === undefined) return []
  const { type: method, validatedAt: at, answeredFrom: address } = proved
  return [{ name, method, at, ...(address !== undefined && { address }) }]
}
