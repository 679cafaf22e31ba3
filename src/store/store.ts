import type { Identifier } from '../lib/identifier.ts'
import type { AccountId, AuthorizationId, ChallengeId, EabKeyId, OrderId } from '../lib/ids.ts'
import type { DecisionRecord, DecisionStore, PolicyVersionStore } from './decisions.ts'
import type { HistoryStore } from './history.ts'
import type { IssuedNameStore, NameClaim } from './issued-names.ts'
import type { IssuedNameSet, LimitStore, PauseRule } from './limit-store.ts'
import type { NameGrantStore } from './name-grants.ts'
import type {
  AccountRecord,
  AuditEvent,
  AuthorizationRecord,
  CertificateRecord,
  ChallengeRecord,
  CrlRecord,
  EabKeyRecord,
  Jwk,
  OrderRecord,
  OrderWithAuthorizations,
  RevocationReason,
  RevokedEntry,
  StoredProblem,
  ValidationJob,
} from './records.ts'
import type { RecoveryStore } from './recovery.ts'

/** The certificate that an order is to replace. */
export interface Predecessor {
  readonly issuerId: string
  readonly serial: string
  readonly notAfter: Date
}

/**
 * The contract of every storage engine; `test/contract/store.ts` is the suite that each must pass.
 *
 * - **Atomic**: a method's whole effect, its audit events included, is in one transaction.
 * - **Durable**: when the promise of a method that writes resolves, its effect survives `kill -9` and power loss.
 *   When it rejects, nothing of it is visible, and a write that failed fails no other.
 * - **Absence** is `undefined` (`find…`) or a named outcome; a method throws `StoreError` only when the store itself
 *   cannot do its work. Lost races are outcomes, not errors.
 * - **Ownership is in the query** (KF-B09): where an account or directory is a parameter, a row of another is absent.
 * - Records given and returned are not shared with the engine; changing one changes nothing.
 */
export interface Store {
  readonly accounts: AccountStore
  readonly eabKeys: EabKeyStore
  readonly nameGrants: NameGrantStore
  readonly nonces: NonceStore
  readonly orders: OrderStore
  readonly authorizations: AuthorizationStore
  readonly validationJobs: ValidationJobStore
  readonly certificates: CertificateStore
  readonly issuedNames: IssuedNameStore
  readonly crls: CrlStore
  readonly blockedKeys: BlockedKeyStore
  readonly secrets: SecretStore
  readonly limits: LimitStore
  readonly audit: AuditStore
  readonly decisions: DecisionStore
  readonly policyVersions: PolicyVersionStore
  readonly retention: RetentionStore
  readonly instances: InstanceStore
  readonly clock: ClockStore
  readonly history: HistoryStore
  readonly recovery: RecoveryStore
  /** Resolves when a small read and a small write work; rejects otherwise. For `/readyz`. */
  ping(): Promise<void>
  /** How full the line of writes is: 0 with nothing to write; from 1 on nothing new should be begun (KF-F23). */
  pressure(): number
  /**
   * For a server that has just started: when it is the only one of its store, whoever held a lease is dead, and every
   * lease ends now instead of by its time (KF-E13). True then; false, and nothing changed, where other servers may be
   * at work.
   */
  takeOver(): Promise<boolean>
  /** Waits for writes under way, then closes. */
  close(): Promise<void>
}

/**
 * - `full`: the disk is full or read-only
 * - `busy`: it passes by itself: another process holds the database, its server is away, or too many writes wait. A
 *   write that rejects with it may have happened, when the server went away while it committed; repeating it is safe
 * - `schema`: the database is of another version of the program
 * - `failed`: anything else
 */
export class StoreError extends Error {
  readonly code: 'full' | 'busy' | 'failed' | 'schema'
  constructor(code: StoreError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export interface AccountStore {
  /**
   * Creates the account, or returns the one that already holds this key in this directory (`created: false`,
   * unchanged). With `eab`, one use of the external account key is spent in the same transaction: `eab-unusable` when
   * it is used up, expired, revoked or of another directory, and then nothing is created (KF-B14). A key that is already
   * an account's wins over the binding, which is then not looked at (CQ-A10).
   */
  create(
    account: AccountRecord,
    options: { now: Date; eab?: EabKeyId; audit: AuditEvent },
  ): Promise<{ outcome: 'created' | 'exists'; account: AccountRecord } | { outcome: 'eab-unusable' }>
  find(directory: string, id: AccountId): Promise<AccountRecord | undefined>
  findByThumbprint(directory: string, thumbprint: string): Promise<AccountRecord | undefined>
  /** True when any account of any directory, whatever its status, has this key (RFC 8555 §11.1). */
  isAccountKey(spkiSha256: string): Promise<boolean>
  /** Replaces the contacts of a valid account; undefined when there is none. */
  updateContact(
    directory: string,
    id: AccountId,
    contact: readonly string[],
    audit: AuditEvent,
  ): Promise<AccountRecord | undefined>
  /** Deactivates for good, and fails the account's unfinished orders with `error`. Repeating it changes nothing. */
  deactivate(
    directory: string,
    id: AccountId,
    options: { now: Date; error: StoredProblem; audit: AuditEvent },
  ): Promise<AccountRecord | undefined>
  /**
   * Compare-and-set of the key: replaces it only while the current thumbprint is `oldThumbprint` and the account
   * is valid (`stale` otherwise). `conflict` names the account that already holds the new key.
   */
  changeKey(
    directory: string,
    id: AccountId,
    change: { oldThumbprint: string; jwk: Jwk; thumbprint: string; spkiSha256: string; audit: AuditEvent },
  ): Promise<
    | { outcome: 'changed'; account: AccountRecord }
    | { outcome: 'conflict'; accountId: AccountId }
    | { outcome: 'stale' }
  >
}

export interface EabKeyStore {
  create(key: EabKeyRecord, audit: AuditEvent): Promise<void>
  /** All of them or none; `taken` names those whose id there is already, and then nothing is stored. */
  createAll(keys: readonly EabKeyRecord[], audit: readonly AuditEvent[]): Promise<{ taken: readonly EabKeyId[] }>
  find(id: EabKeyId): Promise<EabKeyRecord | undefined>
  list(directory?: string): Promise<EabKeyRecord[]>
  /** At most `limit` accounts made with this very key, the oldest first, and how many there are. */
  accountsOf(
    id: EabKeyId,
    limit: number,
  ): Promise<{ count: number; accounts: readonly Pick<AccountRecord, 'id' | 'directory' | 'createdAt'>[] }>
  /**
   * Changes the lineage of a key in one transaction: `edit` is given all its keys, the first one first, and says which
   * to store. A key with a new id is added. May be called more than once, and has no effect but its value; undefined
   * changes nothing. Resolves with what was stored, empty for nothing; undefined when there is no such key.
   */
  edit(id: EabKeyId, edit: LineageEdit): Promise<readonly EabKeyRecord[] | undefined>
}

export type LineageEdit = (
  lineage: readonly EabKeyRecord[],
) => { readonly put: readonly EabKeyRecord[]; readonly audit: readonly AuditEvent[] } | undefined

export interface NonceStore {
  /**
   * Twelve bytes to be the id of a nonce given out now; costs nothing but memory. Absent where any random ones will do.
   */
  newId?(expiresAt: Date): Buffer
  /**
   * Spends a nonce that the caller authenticated, by its id in base64url. True the first time, false ever after, across
   * restarts and crashes. Also false where the store can no longer tell: an engine that keeps what was spent in memory
   * refuses, after a crash, all that were given out before.
   */
  spend(id: string, expiresAt: Date): Promise<boolean>
}

export interface OrderStore {
  /**
   * Stores an order with links to its authorizations, in their order. `newAuthorizations` are created in the same
   * transaction. `stale` when an authorization to be reused is no longer usable by this account at `now` (not
   * pending or valid, or expired), or when the grant of a new one has ended; the caller then plans again. `already-replaced` when another order that is not
   * invalid replaces `replaces` (RFC 9773 §5). `account-ended` when the account is not valid any more, decided inside
   * the transaction (KF-B24).
   */
  create(
    order: OrderRecord,
    links: {
      authorizationIds: readonly AuthorizationId[]
      newAuthorizations: readonly AuthorizationRecord[]
      now: Date
      replaces?: Predecessor
      audit: AuditEvent
    },
  ): Promise<'created' | 'stale' | 'already-replaced' | 'account-ended'>
  find(directory: string, accountId: AccountId, id: OrderId): Promise<OrderWithAuthorizations | undefined>
  /** For work that is not on behalf of an account (recovery, `explain`). */
  get(id: OrderId): Promise<OrderWithAuthorizations | undefined>
  /**
   * The account's orders, newest first, at most `limit`, after `cursor`. Failed and expired ones are left out.
   * `nextCursor` is absent on the last page; a page before it may be short, even empty, where many were left out.
   */
  listIds(
    directory: string,
    accountId: AccountId,
    page: { now: Date; limit: number; cursor?: string },
  ): Promise<{ orderIds: OrderId[]; nextCursor?: string }>
  /** Fails an order that has no certificate; a repeat or a finished order is left as it is. */
  fail(id: OrderId, options: { now: Date; error: StoredProblem; audit: AuditEvent }): Promise<void>
}

/** Where an authorization stands among what may be reused (KF-A06, KF-A07). */
export interface ReuseKey {
  readonly directory: string
  readonly accountId: AccountId
  readonly identifier: Identifier
  readonly wildcard: boolean
  readonly profile: string
}

export interface AuthorizationStore {
  /**
   * `account-ended` when the account is not valid any more, and `grant-ended` when a grant is not that the authorization
   * came of; both decided inside the transaction (KF-B24).
   */
  create(authorization: AuthorizationRecord, audit: AuditEvent): Promise<'created' | 'account-ended' | 'grant-ended'>
  find(directory: string, accountId: AccountId, id: AuthorizationId): Promise<AuthorizationRecord | undefined>
  findChallenge(
    directory: string,
    accountId: AccountId,
    id: ChallengeId,
  ): Promise<{ challenge: ChallengeRecord; authorization: AuthorizationRecord } | undefined>
  /**
   * For each key, the authorization to reuse or undefined: a valid one whose proof lasts beyond `now`, else a
   * pending one that no challenge of which was answered and that was created after `pendingSince`.
   */
  findReusable(
    keys: readonly ReuseKey[],
    options: { now: Date; pendingSince: Date },
  ): Promise<(AuthorizationRecord | undefined)[]>
  /** All valid, unexpired authorizations of the account for these names (RFC 8555 §7.6), any profile. */
  findValid(
    directory: string,
    accountId: AccountId,
    names: readonly { identifier: Identifier; wildcard: boolean }[],
    now: Date,
  ): Promise<AuthorizationRecord[]>
  /** Deactivates, and fails unfinished orders that hold it with `error`. Repeating it changes nothing. */
  deactivate(
    directory: string,
    accountId: AccountId,
    id: AuthorizationId,
    options: { now: Date; error: StoredProblem; audit: AuditEvent },
  ): Promise<AuthorizationRecord | undefined>
}

export interface ValidationJobStore {
  /**
   * Records the client's response and queues the proof in one transaction, leased to `owner` until `leaseUntil`.
   * `already` when it was answered before or its authorization is final, expired or its account is not valid:
   * nothing changes. Twenty at once: one `queued` (KF-A21).
   */
  enqueue(
    challengeId: ChallengeId,
    options: { now: Date; keyAuthorization: string; owner: string; leaseUntil: Date; audit: AuditEvent },
  ): Promise<{ outcome: 'queued'; job: ValidationJob } | { outcome: 'already' }>
  /** Takes over up to `limit` jobs that are due at `now` and whose lease has ended. */
  lease(options: { now: Date; owner: string; leaseUntil: Date; limit: number }): Promise<ValidationJob[]>
  /** Puts a job back after a failed query, due at `runAt`, one attempt more. Ignored when the lease was lost. */
  retry(challengeId: ChallengeId, options: { owner: string; runAt: Date; error: StoredProblem }): Promise<void>
  /** Gives these leases back, as far as `owner` has them, so that another process can go on at once (KF-E13). */
  release(challengeIds: readonly ChallengeId[], owner: string): Promise<void>
  /** Makes a waiting job due now (a client's repeated response, RFC 8555 §8.2). */
  hasten(challengeId: ChallengeId, now: Date): Promise<void>
  /**
   * Ends the job: challenge and authorization become valid until `expiresAt`, in one transaction. `discarded`
   * when challenge or authorization became final, expired or its account was deactivated meanwhile (§13), and when
   * the job is not leased to `owner` any more.
   */
  succeed(
    challengeId: ChallengeId,
    options: { owner: string; now: Date; expiresAt: Date; answeredFrom?: string | undefined; audit: AuditEvent },
  ): Promise<'done' | 'discarded'>
  /**
   * Ends the job: challenge and authorization become invalid and unfinished orders that hold it fail with `orderError`.
   * `discarded` as for `succeed`. With `pause` the failure is counted for the name and account, which may pause it.
   */
  fail(
    challengeId: ChallengeId,
    options: {
      owner: string
      now: Date
      error: StoredProblem
      orderError: StoredProblem
      pause?: PauseRule
      audit: AuditEvent
    },
  ): Promise<'done' | 'discarded'>
  /** Jobs not ended, for metrics. */
  count(): Promise<number>
}

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
  ): Promise<'begun' | 'not-ready' | 'serial-taken' | 'names-changed'>
  /**
   * The commit after signing: certificate, order state and audit together, with what limits remember of its names.
   * `unknown` when there is no open reservation.
   */
  complete(
    key: { issuerId: string; serial: string },
    options: { certificateDer: Buffer; now: Date; names?: IssuedNameSet; audit: AuditEvent },
  ): Promise<'completed' | 'unknown'>
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

export interface SecretStore {
  /** The named secret (wrapped bytes), creating it with `make()` when absent; one value wins a race. */
  getOrCreate(name: string, make: () => Buffer): Promise<Buffer>
}

export interface AuditStore {
  append(events: readonly AuditEvent[]): Promise<void>
  /** Events that name this id (order, account, serial or request), oldest first, at most `limit`. */
  findByReference(reference: string, limit: number): Promise<AuditEvent[]>
  /** What came of the account's answers to challenges in a time, oldest first, at most `limit`. For `explain`. */
  findProofs(
    accountId: AccountId,
    options: { readonly from: Date; readonly to: Date; readonly limit: number },
  ): Promise<AuditEvent[]>
}

/** What the store remembers of time, so that a clock that went back is found by the next process too (KF-E09). */
export interface ClockStore {
  /** Writes down that this instant was reached; an earlier one than was noted before changes nothing. */
  note(now: Date): Promise<void>
  /** The newest instant that was noted, or at which something was last done; undefined for a new store. */
  newestSeen(): Promise<Date | undefined>
  /** An operator says that `now` is right, although a later instant was seen: it is forgotten. */
  accept(now: Date, audit: AuditEvent): Promise<void>
}

export interface RetentionPolicy {
  /** How long after its end each kind of row is kept, in seconds. */
  readonly finalOrdersSeconds: number
  readonly expiredCertificatesSeconds: number
  readonly unusedAccountsSeconds: number
  readonly spentEabKeysSeconds: number
  readonly auditSeconds: number
  /** Also how long the text of a policy stays after another took its place. */
  readonly decisionsSeconds: number
}

export interface RetentionStore {
  /**
   * Deletes at most `batch` rows that are past their time, over all tables, and returns how many; 0 when there is
   * nothing left to do. A revoked certificate goes only after its notAfter *and* after it was on a later CRL
   * (KF-D01). An order goes only when final; an authorization or challenge only when no order holds it; a nonce
   * when expired; old CRLs when superseded; an account only if it never had an order and is past
   * `unusedAccountsSeconds`.
   */
  sweep(policy: RetentionPolicy, options: { now: Date; batch: number }): Promise<number>
  /** Rows per table, for metrics and tests. */
  counts(): Promise<Record<string, number>>
}

/** One server that works on the database. */
export interface Instance {
  readonly id: string
  /** Host and process, for people. */
  readonly name: string
  /** The newest step of the schema that it knows. */
  readonly schema: number
  readonly startedAt: Date
  readonly seenAt: Date
}

export interface InstanceStore {
  /**
   * Says that this process is alive, and looks whether it can still work with the schema.
   *
   * @returns why it cannot and must stop, a newer program having changed the schema; undefined when all is well
   */
  beat(): Promise<string | undefined>
  /** Those heard of lately, this one included; empty on an engine that has one server only. */
  list(): Promise<Instance[]>
  /** Takes this process out of the list. */
  leave(): Promise<void>
}
