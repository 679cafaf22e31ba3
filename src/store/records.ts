import type { Identifier } from '../lib/identifier.ts'
import type { AccountId, AuthorizationId, ChallengeId, EabKeyId, NameGrantId, OrderId } from '../lib/ids.ts'

/**
 * What the store keeps: facts and instants only. No status is stored; `acme/state/` computes it from these and
 * the clock. All records are read-only values; a change goes through a method of the store.
 */

/** A public key as a JSON Web Key (RFC 7517) in canonical form: required members only, RFC 7638 order. */
export type Jwk =
  | { readonly kty: 'EC'; readonly crv: 'P-256' | 'P-384' | 'P-521'; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }

/** A problem as it was decided, ready for rendering (RFC 8555 §6.7). `type` is the name without the URN prefix. */
export interface StoredProblem {
  readonly type: string
  readonly detail: string
  readonly status: number
  readonly subproblems?: readonly { readonly type: string; readonly detail: string; readonly identifier?: Identifier }[]
}

export interface AccountRecord {
  readonly id: AccountId
  readonly directory: string
  readonly jwk: Jwk
  /** RFC 7638 SHA-256 thumbprint of `jwk`, base64url. Unique within a directory. */
  readonly thumbprint: string
  /** Hex SHA-256 of the key's SPKI DER, so that a CSR can be compared with every account key. */
  readonly spkiSha256: string
  readonly contact: readonly string[]
  readonly termsAgreedAt?: Date
  /** The verified externalAccountBinding object, echoed unchanged (RFC 8555 §7.3.4), and the key that made it. */
  readonly externalAccountBinding?: unknown
  readonly eabKeyId?: EabKeyId
  /** That key as it is now; absent when there is none, or none any more. Read with the account, never written with it. */
  readonly externalKey?: AccountKey
  /** Present when names may be granted to it without a challenge. Read with the account, never written with it. */
  readonly hasNameGrants?: true
  readonly createdAt: Date
  readonly deactivatedAt?: Date
  /** Server-initiated deactivation. */
  readonly revokedAt?: Date
}

/** What an account has from its external account key. */
export interface AccountKey {
  /** The first key of the lineage: who holds the account, however often the key was rotated. */
  readonly lineage: EabKeyId
  readonly attributes: Readonly<Record<string, string>>
  readonly groups: readonly string[]
  /** Names of the only rules that may allow something; absent: any. */
  readonly scope?: readonly string[]
  /** From this instant on the account is stopped; absent: the end of the key does not touch it. */
  readonly accountsEndAt?: Date
}

export interface EabKeyRecord {
  readonly id: EabKeyId
  readonly directory: string
  /** All directories in which it opens accounts; absent: `directory` alone. */
  readonly directories?: readonly string[]
  /** The MAC key, wrapped by the state folder's storage key; plain bytes never reach the database. Empty: lost. */
  readonly wrappedMacKey: Buffer
  readonly label: string
  /** Whom to ask about it. */
  readonly owner?: string
  /** What is known of the holder, for policy and profiles. */
  readonly attributes?: Readonly<Record<string, string>>
  readonly groups?: readonly string[]
  /** Names of the only rules of the policy file that may allow something to its accounts; absent: any. */
  readonly scope?: readonly string[]
  readonly createdAt: Date
  /** The end of making accounts with it. */
  readonly expiresAt: Date
  /** From then on the accounts made with it are stopped; absent: its end leaves them. */
  readonly accountsEndAt?: Date
  /** How many accounts it may make; absent: one. */
  readonly maxUses?: number | 'unlimited'
  /** How many it made; absent: none. */
  readonly uses?: number
  /** The last use. */
  readonly usedAt?: Date
  readonly usedBy?: AccountId
  readonly revokedAt?: Date
  /** The key that this one succeeds in the end, and the number of rotations since; absent for a first key. */
  readonly lineage?: EabKeyId
  readonly generation?: number
}

export interface SubjectAttribute {
  readonly type: 'CN' | 'O' | 'OU' | 'C' | 'ST' | 'L' | 'serialNumber'
  readonly value: string
}

export type ProfileType = 'server' | 'client' | 'peer' | 'workload' | 'code-signing' | 'smime'

export type ExtendedKeyUsageName = 'serverAuth' | 'clientAuth' | 'codeSigning' | 'emailProtection'

/**
 * The profile as it was when the order was made; used to the order's end (KF-C05). JSON-safe. What is optional was not
 * in the records of earlier versions of the program.
 */
export interface ProfileSnapshot {
  readonly name: string
  /** Hash of everything that the configuration says of it. */
  readonly version?: string
  /** Absent: `server`. */
  readonly type?: ProfileType
  /** Default and maximum lifetime in seconds. */
  readonly lifetimeSeconds: number
  readonly maxLifetimeSeconds: number
  /** How far notBefore lies before the moment of signing, in seconds; total length is unchanged. */
  readonly backdateSeconds: number
  readonly extendedKeyUsages: readonly ExtendedKeyUsageName[]
  /**
   * `empty`: no subject and critical SAN. `commonName`: the first dns SAN of at most 64 characters. `attributes`: those
   * of `subjectAttributes`.
   */
  readonly subject: 'empty' | 'commonName' | 'attributes'
  /** The subject in its order, from the account's attributes as they were when the order was made. */
  readonly subjectAttributes?: readonly SubjectAttribute[]
  /** Names that the profile adds to those of the order, from the same attributes; absent: none. */
  readonly addedNames?: readonly Identifier[]
  /** The issuing CA by its name in the state folder. */
  readonly issuer: string
  /** In their order; absent: the extension is left out. `cps` is the URL of a certification practice statement. */
  readonly certificatePolicies?: readonly { readonly oid: string; readonly cps?: string }[]
  /** Certificates that live no longer say that there is no revocation information (RFC 9608); absent: none says so. */
  readonly noRevAvailSeconds?: number
  /** The TLS feature `status_request` (RFC 7633). */
  readonly mustStaple?: boolean
  /** A workload may have names beside its one SPIFFE id. */
  readonly otherNames?: boolean
  /** When clients are told to renew (RFC 9773), as shares of the lifetime; absent for the usual. */
  readonly renewal?: { readonly after: number; readonly within: number }
}

export interface OrderRecord {
  readonly id: OrderId
  readonly directory: string
  readonly accountId: AccountId
  /** In the order in which the client named them, de-duplicated; wildcards as `*.name`. */
  readonly identifiers: readonly Identifier[]
  readonly profile: ProfileSnapshot
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** The certificate that this order replaces, as renewal information names it (RFC 9773 §5). */
  readonly replaces?: string
  readonly createdAt: Date
  readonly expiresAt: Date
  /** Set when a finalize was accepted; `csrSha256` (hex) tells a repeat from another CSR. */
  readonly processingAt?: Date
  readonly csrSha256?: string
  /** Serial (lower-case hex) of the issued certificate. */
  readonly certificateSerial?: string
  readonly failedAt?: Date
  readonly error?: StoredProblem
}

/**
 * What is dated further ahead than this is of a clock that was wrong, and counts for nothing: a proof would be good for as
 * much longer as that clock was ahead, and a name would wait as much longer for its next certificate (KF-E09). In
 * milliseconds; smaller steps are what time services do.
 */
export const PROOF_AHEAD_MS = 60_000

export interface ChallengeRecord {
  readonly id: ChallengeId
  readonly authorizationId: AuthorizationId
  readonly type: ChallengeType
  readonly token: string
  /** Set when the client answered; the key authorization is fixed at that moment (RFC 8555 §7.3.5). */
  readonly respondedAt?: Date
  readonly keyAuthorization?: string
  readonly validatedAt?: Date
  /** The address of the host that answered, where there was one. */
  readonly answeredFrom?: string
  readonly failedAt?: Date
  readonly error?: StoredProblem
}

export type ChallengeType = 'http-01' | 'dns-01' | 'tls-alpn-01'

export interface AuthorizationRecord {
  readonly id: AuthorizationId
  readonly directory: string
  readonly accountId: AccountId
  /** Without `*.`; see `wildcard`. */
  readonly identifier: Identifier
  readonly wildcard: boolean
  /** Part of the key of reuse (KF-A07). */
  readonly profile: string
  readonly createdAt: Date
  /** While pending, when the offer ends; once valid, when the proof ends. */
  readonly expiresAt: Date
  readonly deactivatedAt?: Date
  readonly revokedAt?: Date
  /** How the name was shown without a challenge; it is then valid from the first. */
  readonly proof?: DirectProof
  /** At least one, but where there is `proof`; in the order of creation. */
  readonly challenges: readonly ChallengeRecord[]
}

/** A name that counts as proved though no challenge was answered. */
export interface DirectProof {
  readonly method: 'pre-authorized' | 'account-binding'
  readonly at: Date
  /** The grant of a name that was pre-authorized. */
  readonly grantId?: NameGrantId
}

/** A name that an account, or every account of a lineage of external account keys, need not prove. */
export interface NameGrantRecord {
  readonly id: NameGrantId
  readonly holder: AccountId | EabKeyId
  /** Without `*.`; see `wildcard`. */
  readonly identifier: Identifier
  /** Whether it is for `*.` and the name, instead of for the name. */
  readonly wildcard: boolean
  /** Whom to ask about it. */
  readonly owner: string
  readonly note: string
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly revokedAt?: Date
}

/** An order with everything its status is computed from. `authorizations` are in the order of the identifiers. */
export interface OrderWithAuthorizations {
  readonly order: OrderRecord
  readonly authorizations: readonly AuthorizationRecord[]
}

/** A challenge, and the authorization of which it is one. */
export interface ChallengeInAuthorization {
  readonly challenge: ChallengeRecord
  readonly authorization: AuthorizationRecord
}

/** One queued proof of control: a row with a lease, so that it survives the process that works on it. */
export interface ValidationJob extends ChallengeInAuthorization {
  /** Queries already made and failed. */
  readonly attempts: number
  /** When the client's response was accepted; bounds the time spent. */
  readonly startedAt: Date
}

export type RevocationReason = 0 | 1 | 3 | 4 | 5 | 9

export interface CertificateRecord {
  /** Lower-case hex of the serial's content octets, an even number of digits. */
  readonly serial: string
  /** Id of the issuing CA: hex of its subjectKeyIdentifier. Key of the record is issuer + serial (KF-D08). */
  readonly issuerId: string
  /** Absent for the server's own certificate. */
  readonly orderId?: OrderId
  readonly accountId?: AccountId
  readonly directory?: string
  readonly identifiers: readonly Identifier[]
  readonly profile: ProfileSnapshot
  readonly spkiSha256: string
  readonly notBefore: Date
  readonly notAfter: Date
  /** The bytes committed before the key was used (KF-E01). */
  readonly tbsDer: Buffer
  readonly reservedAt: Date
  /** Present once signed, verified and stored. */
  readonly certificateDer?: Buffer
  readonly issuedAt?: Date
  /** Set when a reservation was given up and will never be signed. */
  readonly abandonedAt?: Date
  readonly revokedAt?: Date
  readonly revocationReason?: RevocationReason
}

export interface CrlRecord {
  readonly issuerId: string
  /** Strictly rising per issuer. */
  readonly number: bigint
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly crlDer: Buffer
}

export interface RevokedEntry {
  readonly serial: string
  readonly revokedAt: Date
  readonly reason: RevocationReason
}

/** One line of the audit trail. Written in the transaction of the thing it tells of. */
export interface AuditEvent {
  readonly at: Date
  readonly event: string
  readonly requestId?: string
  readonly directory?: string
  readonly accountId?: string
  readonly orderId?: string
  readonly serial?: string
  /** JSON-safe; never holds tokens, keys or MACs. */
  readonly data: Readonly<Record<string, unknown>>
}
