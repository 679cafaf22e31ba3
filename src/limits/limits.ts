import type { IncomingMessage } from 'node:http'
import type { Identifier } from '../lib/identifier.ts'
import type { IssuedNameSet, NamePause, PauseRule } from '../store/limit-store.ts'
import type { AccountRecord, CertificateRecord } from '../store/records.ts'
import type { ClientAddress } from './client-address.ts'
import type { LimitName } from './limit-names.ts'
import type { Charge } from './shared-limits.ts'

/** A request that comes too soon. Whoever makes the answer turns it into 429 with `Retry-After` (RFC 8555 §6.6). */
export interface Limited {
  readonly limit: LimitName | 'pause'
  /** The limit's size as configured; for a pause, how many failures led to it. */
  readonly size: string
  /** When the same request would pass, spread by chance so that a crowd does not come back at once (KF-F07). */
  readonly retryAfterSeconds: number
  readonly retryAt: Date
  /** The names that are to blame, where not all of the order are. */
  readonly pauses?: readonly NamePause[]
}

export type Admission =
  | { readonly limited: Limited }
  | { readonly limited?: undefined; readonly taken: readonly Charge[] }

/** Everything that refuses with `rateLimited`. One for each process; what replicas share is in the store. */
export interface Limits {
  /** Shown as `Link: …;rel="help"` of every refusal; absent: no link. */
  readonly helpUrl?: string
  addressOf(request: IncomingMessage): ClientAddress
  /** Any request, before its body is read. Cheap, and in this process alone. */
  request(from: ClientAddress, endpoint: string): Limited | undefined
  /** Counts a request that nobody could be held to: no JWS, no such account, a wrong signature. */
  notAuthenticated(from: ClientAddress): void
  newAccount(from: ClientAddress): Promise<Admission>
  /**
   * An order, or with `isOrder: false` an authorization in advance: pauses, what its set of names has had, and the price
   * of its names, all or nothing. A renewal costs nothing: the same names as a certificate that this account had.
   */
  order(asked: {
    readonly directory: string
    readonly account: AccountRecord
    readonly identifiers: readonly Identifier[]
    readonly isOrder: boolean
  }): Promise<Admission>
  /** By the account, or by the network address where a certificate's key signs. */
  revocation(by: AccountRecord | ClientAddress): Promise<Admission>
  keyChange(account: AccountRecord): Promise<Admission>
  /** What was admitted came to nothing through no fault of the requester. */
  giveBack(taken: readonly Charge[]): void
  /** What the store is to remember with the certificate; undefined where nobody ordered it. */
  namesOf(certificate: CertificateRecord): IssuedNameSet | undefined
  /** Counts a certificate that is stored. */
  issued(certificate: CertificateRecord): void
  /** Resolves when the store knows of everything that was counted. Never rejects. */
  settled(): Promise<void>
  /** For the runner of validations; undefined: names are never paused. */
  readonly pause?: PauseRule
}

/** `limits.enabled=false`, and tests of other things. */
export const noLimits: Limits = {
  addressOf: () => ({ text: 'unknown', key: 'unknown' }),
  request: () => undefined,
  notAuthenticated: () => undefined,
  newAccount: async () => ({ taken: [] }),
  order: async () => ({ taken: [] }),
  revocation: async () => ({ taken: [] }),
  keyChange: async () => ({ taken: [] }),
  giveBack: () => undefined,
  namesOf: () => undefined,
  issued: () => undefined,
  settled: async () => undefined,
}
