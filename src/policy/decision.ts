import type { Identifier } from '../lib/identifier.ts'
import type { KeyAlgorithmName } from '../x509/algorithms.ts'

/** Who asks. The server's own certificate is a requester like any other, with its own rule. */
export type Requester =
  | {
      readonly kind: 'account'
      readonly directory: string
      readonly accountId: string
      /** The external account key that the account was made with, as it is now. */
      readonly externalKey?: ExternalKeyFacts
    }
  | { readonly kind: 'server' }

/** What an operator noted of an external account key: who holds it, and what for. */
export interface ExternalKeyFacts {
  readonly id: string
  readonly attributes: Readonly<Record<string, string>>
  readonly groups: readonly string[]
  /** Names of the only rules that may allow something; absent: any. */
  readonly scope?: readonly string[]
}

/** How control of one name was shown. */
export interface Proof {
  readonly name: RequestedName
  readonly method: ProofMethod
  /** The address that was asked, where one was. */
  readonly address?: string
  /** When it was shown. */
  readonly at: Date
}

export const PROOF_METHODS = ['http-01', 'dns-01', 'tls-alpn-01', 'pre-authorized', 'account-binding'] as const
export type ProofMethod = (typeof PROOF_METHODS)[number]

/** What policy needs to know of a profile; a `ProfileSnapshot` has it. */
export interface ProfileFacts {
  readonly lifetimeSeconds: number
  readonly maxLifetimeSeconds: number
  /** Names such as `serverAuth`. */
  readonly extendedKeyUsages: readonly string[]
}

/** Everything a decision may depend on. What is absent is not known yet at that stage. */
export interface PolicyRequest {
  readonly requester: Requester
  /** `order`: what was asked for. `issuance`: read back from the bytes that will be signed (KF-C09). */
  readonly stage: 'order' | 'issuance'
  readonly profile: string
  /** The profile as the order keeps it (KF-C05); absent: as it is configured now. */
  readonly profileFacts?: ProfileFacts
  readonly names: readonly RequestedName[]
  readonly key?: { readonly algorithm: KeyAlgorithmName; readonly bits: number; readonly spkiSha256: string }
  readonly lifetimeSeconds?: number
  readonly extendedKeyUsages?: readonly string[]
  /** What the subject says, such as `O` and `Corp`; at stage `issuance`. */
  readonly subject?: readonly SubjectFact[]
  /** Object identifiers; at stage `issuance`, empty where there are none. */
  readonly certificatePolicies?: readonly string[]
  /** Whether the certificate demands a stapled status (RFC 7633); at stage `issuance`. */
  readonly mustStaple?: boolean
  /** One for each name; absent at stage `order`. */
  readonly proofs?: readonly Proof[]
  /** When it is asked. */
  readonly at: Date
}

/** One attribute of a subject: its short name (RFC 4514 §3), or its object identifier where it has none. */
export interface SubjectFact {
  readonly attribute: string
  readonly value: string
}

/** At stage `issuance` any SAN type may turn up; those that no rule covers are refused. */
export type RequestedName = Identifier | { readonly type: 'other'; readonly value: string }

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
    | 'subject'
    | 'proof'
    | 'condition'
    | 'often'
    | 'unavailable'
    | 'allowed'
  readonly detail: string
  readonly name?: RequestedName
  /** With code `often`: from when on the same request is worth another try. */
  readonly retryAt?: Date
}

/**
 * What the rules that allowed leave open. Whoever keeps to it is allowed at the next stage too, as far as those rules
 * go; it is checked again on the bytes.
 */
export interface Grant {
  /** For each name, at its place, the ways in which it may be proved; undefined: any. */
  readonly methods: readonly (readonly ProofMethod[] | undefined)[]
  /** How long a certificate is for which no end was asked; absent: as the profile has it. */
  readonly lifetimeSeconds?: number
  /** Absent: as long as the profile has it. */
  readonly maxLifetimeSeconds?: number
}

/** A name whose certificates are counted: see `NameClaim` of the store. */
export interface CountedName {
  /** Type and value, such as `dns:www.corp.test`. */
  readonly name: string
  /** How many it had when this was decided, where that mattered: with one more it must be decided again. */
  readonly seen?: number
}

/** A rule that would have allowed the name, but for what it missed. */
export interface NearMiss {
  readonly rule: string
  readonly name: string
  readonly misses: readonly string[]
}

/**
 * A decision is a value. `deny` has at least one reason; all bad names are reported at once. `version` is that of the
 * rules that decided, absent for the server's own certificate and from times before there were any. Near misses are for the
 * operator: they may tell of rules that are for others.
 */
export type Decision =
  | {
      readonly outcome: 'allow'
      readonly reasons: readonly Reason[]
      readonly version?: string
      readonly grant?: Grant
      /** To be remembered with the certificate; absent: no rule asks how often. */
      readonly counted?: readonly CountedName[]
    }
  | {
      readonly outcome: 'deny'
      readonly reasons: readonly Reason[]
      readonly version?: string
      readonly nearMisses?: readonly NearMiss[]
    }

/** Whether the requester may have this. Never throws: what cannot be decided is denied with code `unavailable`. */
export interface Policy {
  decide(request: PolicyRequest): Promise<Decision>
}
