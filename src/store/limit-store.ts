import type { GcraRule } from '../lib/gcra.ts'
import type { Identifier } from '../lib/identifier.ts'
import type { AuditEvent } from './records.ts'

/** One key to take units from. */
export interface LimitRequest {
  /** `<limit>:<subject>`, of bounded length. */
  readonly key: string
  readonly rule: GcraRule
  /** Fewer than these are no use: the whole call is refused. Never above the rule's burst, or it can never pass. */
  readonly least: number
  /** Up to so many are taken where they are there, so that the next ones need no call. At least `least`. */
  readonly most: number
}

export type LimitOutcome =
  /** How many units were taken from each key, in the order of the requests. */
  | { readonly outcome: 'taken'; readonly units: readonly number[] }
  /** Nothing was taken from any key. `key` is the one with the longest wait until `least` would be there. */
  | { readonly outcome: 'refused'; readonly key: string; readonly waitUs: number }

/** What counts when an account orders a set of names. */
export interface OrderStanding {
  /** The set was issued before: until when another certificate is a renewal, and the TAT of its limit. */
  readonly issued?: { readonly renewableUntil: Date; readonly tatUs: number }
  /** Those of the asked names that are paused at this moment. */
  readonly pauses: readonly NamePause[]
}

export interface NamePause {
  readonly key: string
  readonly directory: string
  readonly accountId: string
  readonly identifier: Identifier
  /** Failed proofs in a row. */
  readonly failures: number
  readonly pausedUntil: Date
}

/** When a name is paused: after `failures` failed proofs in a row for `seconds`, twice as long with each further one. */
export interface PauseRule {
  readonly failures: number
  readonly seconds: number
  readonly atMostSeconds: number
}

/** A certificate as the limits remember it, stored in the transaction that completes it. */
export interface IssuedNameSet {
  readonly key: string
  readonly renewableUntil: Date
  /** The limit of certificates for this set; absent when it is off. */
  readonly rule?: GcraRule
}

/**
 * Rate limits that all replicas share. Rows are few and small, work is constant for each key (KF-F05), and no answer
 * depends on which replica is asked. Clocks of replicas may differ by `CLOCK_DISAGREEMENT_US`.
 */
export interface LimitStore {
  /**
   * Takes units from every key or from none, whatever other processes take at the same time: compare-and-set, so that
   * races cannot exceed a limit.
   */
  take(requests: readonly LimitRequest[], now: Date): Promise<LimitOutcome>
  /** Takes `units` from each key without asking, for what has happened already. A debt is never more than a full one. */
  spend(
    spent: readonly { readonly key: string; readonly rule: GcraRule; readonly units: number }[],
    now: Date,
  ): Promise<void>
  /** One read for an order: whether the set of names was issued before, and which names are paused. */
  standing(keys: { readonly set: string; readonly names: readonly string[] }, now: Date): Promise<OrderStanding>
  /** Keys that owe something at `now`, those that owe longest first, at most `limit`. For the operator. */
  list(options: {
    readonly now: Date
    readonly limit: number
  }): Promise<{ readonly key: string; readonly tatUs: number }[]>
  /** Names paused at `now`, at most `limit`. For the operator. */
  listPauses(options: { readonly now: Date; readonly limit: number }): Promise<NamePause[]>
  /** Forgets a key of `list` or `listPauses`; false when there is none. */
  clear(key: string, audit: AuditEvent): Promise<boolean>
}
