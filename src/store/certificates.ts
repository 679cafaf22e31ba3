import type { AccountId, OrderId } from '../lib/ids.ts'
import type { DecisionRecord } from './decisions.ts'
import type { NameClaim } from './issued-names.ts'
import type { IssuedNameSet } from './limit-store.ts'
import type {
  AuditEvent,
  CertificateRecord,
  CrlRecord,
  RevocationReason,
  RevokedEntry,
  StoredProblem,
} from './records.ts'

/** What is left of a reservation that cannot be read; `reason` names the column. */
export interface DamagedReservation {
  readonly issuerId: string
  readonly serial: string
  readonly orderId?: OrderId
  readonly reason: string
}

export interface CertificateStore {
  /**
   * The commit before signing: takes the order from ready to processing, and stores serial, to-be-signed bytes, audit
   * intent and the decision that allows it, all or nothing (design: claim and intent in one transaction).
   *
   * - `not-ready`: the order is not ready at `now` (decided inside the transaction: order unfinished and unexpired,
   *   every authorization valid and unexpired, account valid; KF-B24, KF-E04)
   * - `key-blocked`: the public key was reported as compromised (KF-C13)
   * - `serial-taken`: plan again with another serial (KF-C02)
   * - `names-changed`: one of `names` had another certificate since the decision saw it; decide again
   */
  begin(
    certificate: CertificateRecord,
    options: {
      now: Date
      csrSha256?: string
      decision?: DecisionRecord
      names?: readonly NameClaim[]
      audit: AuditEvent
    },
  ): Promise<'begun' | 'not-ready' | 'key-blocked' | 'serial-taken' | 'names-changed'>
  /**
   * The commit after signing: certificate, order state and audit together, with what limits remember of its names.
   * `order-ended` when its order had failed meanwhile and stays so; the certificate is on record all the same. `unknown`
   * when there is no open reservation.
   */
  complete(
    key: { issuerId: string; serial: string },
    options: { certificateDer: Buffer; now: Date; names?: IssuedNameSet; audit: AuditEvent },
  ): Promise<'completed' | 'order-ended' | 'unknown'>
  /** Gives a reservation up, for a decision where one is given, and fails its order: the serial stays taken for ever. */
  abandon(
    key: { issuerId: string; serial: string },
    options: { now: Date; error: StoredProblem; decision?: DecisionRecord; audit: AuditEvent },
  ): Promise<void>
  /**
   * Reservations made before `before` that were neither completed nor abandoned; oldest first, those that cannot be
   * read left out, of at most `limit` rows.
   */
  listUnfinished(before: Date, limit: number): Promise<CertificateRecord[]>
  /**
   * Those of the same reservations whose rows cannot be read, or whose bytes are not those that were stored (KF-E12):
   * they can never be signed, and `abandon` ends them.
   */
  listDamaged(before: Date, limit: number): Promise<DamagedReservation[]>
  /** Ids of the issuers of which a certificate was issued here that ends after `now`. */
  listIssuers(now: Date): Promise<string[]>
  find(issuerId: string, serial: string): Promise<CertificateRecord | undefined>
  /** Issued certificates with this serial under any issuer (0, 1 or more). */
  findBySerial(serial: string): Promise<CertificateRecord[]>
  /** An issued certificate of one of the account's orders. */
  findForAccount(directory: string, accountId: AccountId, serial: string): Promise<CertificateRecord | undefined>
  /**
   * Revokes an issued certificate. `already` carries the record as it stands; a first reason other than
   * keyCompromise is raised to keyCompromise (date kept) when `raiseToKeyCompromise` (KF-D06), outcome `raised`.
   * With reason keyCompromise the public key is blocked in the same transaction (KF-C13).
   */
  revoke(
    key: { issuerId: string; serial: string },
    options: { now: Date; reason: RevocationReason; raiseToKeyCompromise: boolean; audit: AuditEvent },
  ): Promise<{ outcome: 'revoked' | 'raised' | 'already'; certificate: CertificateRecord } | { outcome: 'unknown' }>
}

export interface CrlStore {
  latest(issuerId: string): Promise<CrlRecord | undefined>
  /** The greatest number that may have been used; after a restore greater than that of any stored list. */
  lastNumber(issuerId: string): Promise<bigint | undefined>
  /**
   * Since when a revocation (or a raised reason) waits to be listed on a stored CRL: the instant of the oldest one;
   * undefined when none waits. For the publisher.
   */
  pendingSince(issuerId: string): Promise<Date | undefined>
  /**
   * What the next CRL must list: revoked and (unexpired at the last CRL's thisUpdate), i.e. an entry stays until it
   * was on one CRL issued after its notAfter (KF-D02). Ordered by serial. `upTo` marks what is covered.
   */
  revokedEntries(issuerId: string, now: Date): Promise<{ entries: RevokedEntry[]; upTo: number }>
  /** Takes the right to build for this issuer (KF-D05); false when another holder's lease is live. */
  lease(issuerId: string, options: { owner: string; now: Date; leaseUntil: Date }): Promise<boolean>
  /**
   * Stores a CRL. Its number must be greater than every earlier one of this issuer, checked inside the transaction;
   * `superseded` otherwise. `upTo` is the mark from `revokedEntries`. Ends the lease.
   */
  publish(crl: CrlRecord, upTo: number, audit: AuditEvent): Promise<'published' | 'superseded'>
}

export interface BlockedKeyStore {
  /** Blocks a public key (hex SHA-256 of its SPKI) from certificates and accounts. */
  block(spkiSha256: string, options: { now: Date; reason: string; audit: AuditEvent }): Promise<void>
  isBlocked(spkiSha256: string): Promise<boolean>
}
