import type { AccountRecord, CertificateRecord, EabKeyRecord, RevocationReason } from './records.ts'

/** One life of the data: from the first start, or from a restore, to the next restore. */
export interface Lineage {
  /** 0 for the first; one more with each restore. */
  readonly epoch: number
  /** Random and never used twice; names this life. */
  readonly lineage: string
  readonly startedAt: Date
  /** Id of the newest audit event that came over from the life before; 0 in the first. */
  readonly branchedAfter: number
  /** Absent while a restore is at work; nothing may be served then. */
  readonly finishedAt?: Date
}

/** A point in the history of a store: an audit event, known by its id and by what it says. */
export interface EventMark {
  readonly id: number
  /** Hex SHA-256 over the event; tells two histories apart that number alike. */
  readonly fingerprint: string
  readonly at: Date
}

/** An external account key without its secret. */
export type EabKeyFacts = Omit<EabKeyRecord, 'wrappedMacKey'>

/** An issued certificate without what its own bytes say; reading it must be cheap. */
export type LoggedCertificate = Pick<
  CertificateRecord,
  'issuerId' | 'serial' | 'orderId' | 'accountId' | 'directory' | 'identifiers' | 'profile' | 'notAfter' | 'reservedAt'
> &
  Required<Pick<CertificateRecord, 'certificateDer' | 'issuedAt'>>

/**
 * What must not be forgotten when the database is lost, as it stood when it was read: `id` is the audit event that told
 * of it, and what the store held of the thing may already be newer than that.
 */
export type Change = { readonly id: number } & (
  | { readonly kind: 'certificate'; readonly certificate: LoggedCertificate }
  | {
      readonly kind: 'revocation'
      readonly issuerId: string
      readonly serial: string
      readonly revokedAt: Date
      readonly reason: RevocationReason
    }
  | { readonly kind: 'account'; readonly account: AccountRecord }
  | { readonly kind: 'eab-key'; readonly key: EabKeyFacts }
  | { readonly kind: 'crl'; readonly issuerId: string; readonly number: bigint }
)

export interface ChangePage {
  /** In the order of their audit events. */
  readonly changes: readonly Change[]
  /** How many audit events were looked at, and the id of the newest of them; `after` when there was none. */
  readonly count: number
  readonly newest: number
  /** The ids of all of them, rising, where numbers are missing between them; absent where none is. */
  readonly ids?: readonly number[]
}

/** The history of a store, read in the order of its audit events. */
export interface HistoryStore {
  /** Oldest first; empty before the first start of a version that keeps them. */
  lineages(): Promise<Lineage[]>
  /** Names the first life, where none has a name yet. */
  beginFirst(lineage: string, now: Date): Promise<void>
  /** Undefined when there is no event. */
  oldestId(): Promise<number | undefined>
  newest(): Promise<EventMark | undefined>
  find(id: number): Promise<EventMark | undefined>
  /**
   * What at most `limit` events after `after` (up to `upTo`, where given) told of. A row that cannot be read is left out
   * and logged.
   */
  changes(range: { readonly after: number; readonly upTo?: number; readonly limit: number }): Promise<ChangePage>
}
