import type { Identifier } from '../lib/identifier.ts'
import type { Proof } from '../policy/decision.ts'
import type { AuthorizationRecord } from '../store/records.ts'

/** The value that was proved, from the stored authorization and nowhere else (KF-A19). */
export function provedIdentifier({ identifier, wildcard }: AuthorizationRecord): Identifier {
  return wildcard ? { type: 'dns', value: `*.${identifier.value}` } : identifier
}

/** How each of these was proved, for policy; one that was not has no proof. */
export function proofsOf(authorizations: readonly AuthorizationRecord[]): Proof[] {
  return authorizations.flatMap((authorization): Proof[] => {
    const { proof } = authorization
    if (proof !== undefined) return [{ name: provedIdentifier(authorization), method: proof.method, at: proof.at }]
    const proved = authorization.challenges.find(({ validatedAt }) => validatedAt !== undefined)
    if (proved?.validatedAt === undefined) return []
    const { type: method, validatedAt: at, answeredFrom: address } = proved
    return [{ name: provedIdentifier(authorization), method, at, ...(address !== undefined && { address }) }]
  })
}
