import type { AccountId } from '../lib/ids.ts'
import type { AccountStore, EabKeyStore } from './accounts.ts'
import type { BlockedKeyStore, CertificateStore, CrlStore } from './certificates.ts'
import type { DecisionStore, PolicyVersionStore } from './decisions.ts'
import type { HistoryStore } from './history.ts'
import type { IssuedNameStore } from './issued-names.ts'
import type { LimitStore } from './limit-store.ts'
import type { NameGrantStore } from './name-grants.ts'
import type { AuthorizationStore, OrderStore, ValidationJobStore } from './orders.ts'
import type { AuditEvent } from './records.ts'
import type { RecoveryStore } from './recovery.ts'
import type { ClockStore, InstanceStore, RetentionStore } from './upkeep.ts'

export type { AccountStore, EabKeyStore, LineageEdit } from './accounts.ts'
export type { BlockedKeyStore, CertificateStore, CrlStore, DamagedReservation } from './certificates.ts'
export type { AuthorizationStore, OrderStore, Predecessor, ReuseKey, ValidationJobStore } from './orders.ts'
export type { ClockStore, Instance, InstanceStore, RetentionPolicy, RetentionStore } from './upkeep.ts'

/**
 * The contract of every storage engine; `test/contract/store.ts` is the suite that each must pass.
 *
 * - **Atomic**: a method's whole effect, its audit events included, is in one transaction.
 * - **Durable**: when the promise of a method that writes resolves, its effect survives `kill -9` and power loss.
 *   When it rejects, nothing of it is visible, and a write that failed fails no other.
 * - **Absence** is `undefined` (`find…`) or a named outcome; a method throws `StoreError` only when the store itself
 *   cannot do its work. Lost races are outcomes, not errors.
 * - **Ownership is in the query** (KF-B09): where an account or directory is a parameter, a row of another is absent.
 * - Records given and returned are read-only. Changing one never changes what is stored; and where an engine gives one to
 *   others as well, it is frozen, except for its dates.
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
