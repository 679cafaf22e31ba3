import type { AuditEvent } from './records.ts'

/** What the store remembers of time, so that a clock that went back is found by the next process too (KF-E09). */
export interface ClockStore {
  /** Writes down that this instant was reached; an earlier one than was noted before changes nothing. */
  note(now: Date): Promise<void>
  /** The newest instant that was noted, or at which something was last done; undefined for a new store. */
  newestSeen(): Promise<Date | undefined>
  /**
   * An operator says that `now` is right, although a later instant was seen: it is forgotten, and what was proved more than
   * a minute after `now` was proved under a clock that was wrong, and has expired (KF-E09).
   */
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
  /**
   * Rows per table, for metrics and tests. Reads an index of every table, so it takes long where there is much; of the
   * two that only grow and end with the oldest, decisions and the audit trail, it looks at the first and the last number.
   */
  counts(): Promise<Record<string, number>>
  /** Whether any of these tables holds a row. Costs the same however many there are. */
  holdsAny(tables: readonly string[]): Promise<boolean>
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
   * Says that this process is alive, and looks whether it may still work with the database.
   *
   * @returns why it may not and must stop: a newer program changed the schema, or the database was moved away or restored
   *   while this process was taken for dead; undefined when all is well
   */
  beat(): Promise<string | undefined>
  /** Those heard of lately, this one included; empty on an engine that has one server only. */
  list(): Promise<Instance[]>
  /** Takes this process out of the list. */
  leave(): Promise<void>
}
