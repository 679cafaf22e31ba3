import type { KeyObject } from 'node:crypto'
import type { DirectoryConfig } from '../config/schema.ts'
import type { Enrollment } from '../enrollment/enrollment.ts'
import type { NameMapping } from '../issuance/name-mapping.ts'
import type { Clock } from '../lib/clock.ts'
import type { RequestId } from '../lib/ids.ts'
import type { Random } from '../lib/random.ts'
import type { ClientAddress } from '../limits/client-address.ts'
import type { Limits } from '../limits/limits.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Policy } from '../policy/decision.ts'
import type { CertificateKeyRules } from '../policy/key-policy.ts'
import type { Revocation } from '../revocation/revocation.ts'
import type { AccountRecord, Jwk, ProfileSnapshot } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { ValidationRunner } from '../validation/runner.ts'
import type { WrappedKeys } from './eab-key.ts'
import type { NonceService } from './nonce.ts'
import type { DirectoryUrls } from './urls.ts'

/** One ACME directory (`/acme/<name>/directory`) with its own settings. */
export interface AcmeDirectory {
  readonly name: string
  readonly config: DirectoryConfig
  readonly urls: DirectoryUrls
  readonly policy: Policy
  /** What that policy says of certificate keys, so that finalize can refuse a weak one before anything is claimed. */
  readonly keyRules: CertificateKeyRules
  /** The profile of a new order that asks for none, as it is now. */
  readonly profile: ProfileSnapshot
  /** Every profile that an order may ask for, the default one first. */
  readonly profiles: readonly OfferedProfile[]
}

/** A profile of a directory, as clients are told of it. */
export interface OfferedProfile {
  readonly snapshot: ProfileSnapshot
  /** How it makes names of what the account is bound to; absent: it makes none. */
  readonly mapping?: NameMapping | undefined
  /** Shown in `meta.profiles` beside the profile's name; empty means the name itself. */
  readonly description: string
}

/** What endpoints work with; handed in by `app/`. */
export interface AcmeServices {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly nonces: NonceService
  readonly enrollment: Enrollment
  readonly validation: ValidationRunner
  readonly revocation: Revocation
  readonly limits: Limits
  /** Unwraps EAB MAC keys. */
  readonly wrappedKeys: WrappedKeys
  readonly metrics: Metrics
  readonly log: Logger
  /** `Retry-After` of a poll; absent where nothing else is to be done, as in tests of one endpoint. */
  readonly pollSeconds?: (about: 'validation' | 'issuance') => number
  /** Chains to serve after a leaf of this issuer: the default one first, then the alternates. PEM, without the root. */
  chainsPem(issuerId: string): readonly string[] | undefined
  /** How far the server is from keeping up: 0 when it does, 1 when it refuses new orders. Absent as `pollSeconds` is. */
  readonly shortage?: () => number
  readonly settings: {
    readonly renewalInfo: {
      readonly retryAfterSeconds: number
      readonly explanationUrl?: string
      /** Issuing CAs by id. */
      readonly replacedIssuers: readonly string[]
    }
    readonly maxContacts: number
    readonly identifiersPerOrder: number
    readonly orderLifetimeSeconds: number
    readonly pendingAuthorizationLifetimeSeconds: number
    readonly validAuthorizationLifetimeSeconds: number
    readonly sharePendingSeconds: number
    readonly acceptPaddedBase64: boolean
    readonly allowCertificateGet: boolean
  }
}

/** A JSON object from outside: no prototype, no duplicate members, depth at most 8 (KF-B04, KF-F12). */
export type JsonObject = { readonly [member: string]: JsonValue }
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject

/**
 * A request whose JWS was verified, whose nonce is spent and whose `url` matched. Only `jws/authenticate.ts`
 * makes one.
 */
export interface AuthenticatedRequest {
  readonly requestId: RequestId
  readonly directory: AcmeDirectory
  /** The URL the request was made for, as handed out. */
  readonly url: string
  /** Path parameters by their names in `routes.ts` (`id`; `serial` and `alternate`), still untrusted text. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly accept: string | undefined
  /** Where it came from, for limits. */
  readonly from: ClientAddress
  /** `''` is POST-as-GET (RFC 8555 §6.3); otherwise a JSON object. */
  readonly payload: '' | JsonObject
  /**
   * Exactly one of the two, as the endpoint's row in `routes.ts` demands. `kid` is the account's URL as it was sent,
   * under the current or a former base.
   */
  readonly signer:
    | { readonly kind: 'account'; readonly account: AccountRecord; readonly kid: string }
    | {
        readonly kind: 'key'
        readonly jwk: Jwk
        readonly thumbprint: string
        readonly spkiDer: Buffer
        readonly key: KeyObject
      }
  /** Carries the request, directory and account into each line. */
  readonly log: Logger
}

/** What an endpoint answers; `respond.ts` adds nonce, index link and headers that every answer has. */
export interface AcmeResponse {
  readonly status: 200 | 201 | 204
  readonly location?: string
  /** Beside `rel="index"`; one header line each (CQ-T12). */
  readonly links?: readonly { readonly url: string; readonly rel: 'up' | 'alternate' | 'next' | 'terms-of-service' }[]
  readonly retryAfterSeconds?: number
  /** How long anybody may keep the answer, which then has no nonce; absent: nobody may (RFC 8555 §6.5.1). */
  readonly maxAgeSeconds?: number
  /** JSON when an object; absent for an empty body. */
  readonly body?: object | { readonly contentType: string; readonly bytes: Buffer }
}

/** Handles one resource. Refusals are thrown as `AcmeError`; anything else thrown becomes `serverInternal`. */
export type Endpoint = (request: AuthenticatedRequest, services: AcmeServices) => Promise<AcmeResponse>
