import type { Identifier } from '../lib/identifier.ts'
import type { AccountId, AuthorizationId, ChallengeId, OrderId } from '../lib/ids.ts'
import type { PauseRule } from './limit-store.ts'
import type {
  AuditEvent,
  AuthorizationRecord,
  ChallengeInAuthorization,
  OrderRecord,
  OrderWithAuthorizations,
  StoredProblem,
  ValidationJob,
} from './records.ts'

/** The certificate that an order is to replace. */
export interface Predecessor {
  readonly issuerId: string
  readonly serial: string
  readonly notAfter: Date
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
  findChallenge(directory: string, accountId: AccountId, id: ChallengeId): Promise<ChallengeInAuthorization | undefined>
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
   * nothing changes. Twenty at once: one `queued` (KF-A21). The job is of what the caller read, `challenge` answered;
   * what other challenges of the authorization became since is not in it.
   */
  enqueue(
    asked: ChallengeInAuthorization,
    options: { now: Date; keyAuthorization: string; owner: string; leaseUntil: Date; audit: AuditEvent },
  ): Promise<{ outcome: 'queued'; job: ValidationJob } | { outcome: 'already' }>
  /** Takes over up to `limit` jobs that are due at `now` and whose lease has ended. */
  lease(options: { now: Date; owner: string; leaseUntil: Date; limit: number }): Promise<ValidationJob[]>
  /**
   * Lengthens these leases, or shortens them, to `leaseUntil`, as far as `owner` still has them; one statement for each 128.
   *
   * @returns those that `owner` has; every other was taken over, put back or ended meanwhile
   */
  renew(challengeIds: readonly ChallengeId[], options: { owner: string; leaseUntil: Date }): Promise<ChallengeId[]>
  /** Puts a job back after a failed query, due at `runAt`, one attempt more. Ignored when the lease was lost. */
  retry(challengeId: ChallengeId, options: { owner: string; runAt: Date; error: StoredProblem }): Promise<void>
  /** Gives these leases back, as far as `owner` has them, so that another process can go on at once (KF-E13). */
  release(challengeIds: readonly ChallengeId[], owner: string): Promise<void>
  /** Makes a waiting job due now (a client's repeated response, RFC 8555 §8.2). */
  hasten(challengeId: ChallengeId, now: Date): Promise<void>
  /**
   * Ends the job: challenge and authorization become valid until `expiresAt`, in one transaction. `discarded`
   * when challenge or authorization became final, expired or its account was deactivated meanwhile (§13), and when
   * the job is not leased to `owner` any more. `authorization` is how the job has it; the store then need not read it
   * for who asks next.
   */
  succeed(
    challengeId: ChallengeId,
    options: {
      owner: string
      now: Date
      expiresAt: Date
      answeredFrom?: string | undefined
      authorization?: AuthorizationRecord
      audit: AuditEvent
    },
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
