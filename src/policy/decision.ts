import type { Identifier } from '../lib/identifier.ts'
import type { KeyAlgorithmName } from '../x509/algorithms.ts'

/** Who asks. The server's own certificate is a requester like any other, with its own rule. */
export type Requester =
  | { readonly kind: 'account'; readonly directory: string; readonly accountId: string; readonly eabKeyId?: string }
  | { readonly kind: 'server' }

/** Everything a decision may depend on. What is absent is not known yet at that stage. */
export interface PolicyRequest {
  readonly requester: Requester
  /** `order`: what was asked for. `issuance`: read back from the bytes that will be signed (KF-C09). */
  readonly stage: 'order' | 'issuance'
  readonly profile: string
  readonly names: readonly RequestedName[]
  readonly key?: { readonly algorithm: KeyAlgorithmName; readonly bits: number; readonly spkiSha256: string }
  readonly lifetimeSeconds?: number
  readonly extendedKeyUsages?: readonly string[]
}

/** At stage `issuance` any SAN type may turn up; those that no rule covers are refused. */
export type RequestedName = Identifier | { readonly type: 'email' | 'uri' | 'other'; readonly value: string }

/** One reason of a decision: the rule that spoke, and a sentence the requester may read. */
export interface Reason {
  readonly rule: string
  readonly code:
    | 'name-not-allowed'
    | 'name-denied'
    | 'name-type'
    | 'key'
    | 'profile'
    | 'lifetime'
    | 'usage'
    | 'unavailable'
    | 'allowed'
  readonly detail: string
  readonly name?: RequestedName
}

/** A decision is a value. `deny` has at least one reason; all bad names are reported at once. */
export type Decision =
  | { readonly outcome: 'allow'; readonly reasons: readonly Reason[] }
  | { readonly outcome: 'deny'; readonly reasons: readonly Reason[] }

/** Whether the requester may have this. Never throws: what cannot be decided is denied with code `unavailable`. */
export interface Policy {
  decide(request: PolicyRequest): Promise<Decision>
}
