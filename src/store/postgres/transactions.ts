import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { Logger } from '../../observe/log.ts'
import type { Metrics } from '../../observe/metrics.ts'
import type { Database, Sql, SqlValue } from '../sql/database.ts'
import { StoreError } from '../store.ts'
import type { Connections } from './connections.ts'
import { endsConnection, type RetryReason, retryReason, sqlState, toStoreError, wasSkipped } from './errors.ts'
import { rollBack, Session } from './session.ts'
import { StatementCache } from './statements.ts'
import type { Answer, Bound, Value } from './wire-query.ts'

/** How often a write is tried before the caller is told that the database is busy, by the reason of the failure. */
const ATTEMPTS: Readonly<Record<RetryReason, number>> = {
  serialization: 12,
  deadlock: 6,
  'lost-race': 4,
  plan: 3,
  connection: 2,
}
const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 100

type Attempt<T> = { readonly value: T } | { readonly failure: unknown }

export interface TransactionOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger | undefined
  readonly metrics: Metrics | undefined
  /** Statements that follow BEGIN, where settings last for a transaction only. */
  readonly local: readonly string[]
}

/** What a transaction sees of others; SERIALIZABLE is for the few that must not trust locks (schema and instances). */
export type Isolation = 'READ COMMITTED' | 'SERIALIZABLE'

/**
 * Reads and writes of the store on PostgreSQL. Writes are READ COMMITTED: the statements in `store/sql/` compare and
 * set in one statement, rely on unique keys, and lock the row that stands for the others where they decide by more
 * than one (`lockRows`). A busy row then makes writers wait for each other; under SERIALIZABLE it made them fail and
 * begin again, without end at a thousand revocations at once (docs/postgresql.md has the figures). Distributed
 * engines may give SERIALIZABLE all the same, so whatever asks to be repeated is repeated.
 */
export class Transactions implements Database {
  readonly #connections: Connections
  readonly #options: TransactionOptions
  readonly #statements = new StatementCache()

  constructor(connections: Connections, options: TransactionOptions) {
    this.#connections = connections
    this.#options = options
  }

  async get<Row>(sql: string, ...params: SqlValue[]): Promise<Row | undefined> {
    return (await this.all<Row>(sql, ...params))[0]
  }

  /** A statement is its own snapshot, so a read needs no transaction; and it may be asked again. */
  async all<Row>(sql: string, ...params: SqlValue[]): Promise<Row[]> {
    for (let attempt = 1; ; attempt++) {
      const end = await this.#attemptRead(sql, params)
      if ('value' in end) return end.value as Row[]
      if (await this.#mayRetry(end.failure, attempt, 'read')) continue
      throw toStoreError(end.failure, 'the database could not be read')
    }
  }

  async write<T>(fn: (sql: Sql) => Promise<T>, isolation: Isolation = 'READ COMMITTED'): Promise<T> {
    const begin = this.#begin(isolation)
    for (let attempt = 1; ; attempt++) {
      const end = await this.#attemptWrite(fn, begin)
      if ('value' in end) return end.value
      if (await this.#mayRetry(end.failure, attempt, 'write')) continue
      throw toStoreError(end.failure, 'the database refused a write')
    }
  }

  /** A statement that is its own transaction, at the server's default isolation. Never repeated. */
  async single(text: string, values: readonly Value[]): Promise<Answer> {
    const connection = await this.#connections.take()
    try {
      const answer = await connection.query(this.#statements.translate(text), values)
      this.#options.metrics?.count('chancery_store_transactions_total', { kind: 'single' })
      return answer
    } catch (error) {
      throw endsConnection(error) ? this.#unknown(error) : toStoreError(error, 'the database refused a write')
    } finally {
      connection.release()
    }
  }

  close(): Promise<void> {
    return this.#connections.close()
  }

  async #attemptRead(sql: string, params: readonly SqlValue[]): Promise<Attempt<readonly unknown[]>> {
    const connection = await this.#connections.take()
    try {
      const { rows } = await connection.query(this.#statements.translate(sql), params)
      this.#options.metrics?.count('chancery_store_transactions_total', { kind: 'read' })
      return { value: rows }
    } catch (failure) {
      return { failure }
    } finally {
      connection.release()
    }
  }

  #begin(isolation: Isolation): readonly Bound[] {
    return [`BEGIN ISOLATION LEVEL ${isolation}`, ...this.#options.local].map((text) => ({
      text,
      name: undefined,
      values: [],
    }))
  }

  async #attemptWrite<T>(fn: (sql: Sql) => Promise<T>, begin: readonly Bound[]): Promise<Attempt<T>> {
    const connection = await this.#connections.take()
    const session = new Session(connection, this.#statements, begin)
    try {
      let value: T
      try {
        value = await fn(session)
      } catch (failure) {
        if (session.inTransaction) await rollBack(connection)
        return { failure }
      }
      const failure = session.needsCommit ? await this.#commit(session) : undefined
      // What travelled with COMMIT failed, so that the transaction is still open.
      if (wasSkipped(failure)) await rollBack(connection)
      return failure === undefined ? { value } : { failure }
    } finally {
      connection.release()
    }
  }

  /** @returns why nothing was committed; undefined when it was. @throws {StoreError} when nobody knows */
  async #commit(session: Session): Promise<unknown> {
    const { clock, metrics } = this.#options
    const startedMs = clock.monotonicMs()
    try {
      const { command } = await session.commit()
      metrics?.count('chancery_store_transactions_total', { kind: 'write' })
      metrics?.observe('chancery_store_commit_seconds', (clock.monotonicMs() - startedMs) / 1000)
      // COMMIT of a transaction in which a statement failed is answered by ROLLBACK.
      return command === 'COMMIT' ? undefined : new Error('the transaction had failed before its end')
    } catch (error) {
      if (wasSkipped(error) || /^(40001|40P01|40002|23|25P02)/.test(sqlState(error) ?? '')) return error
      throw this.#unknown(error)
    }
  }

  /**
   * The server went away between our COMMIT and its answer. The caller must take it for not done: nothing is
   * acknowledged. Whoever repeats it finds out, since every write is safe to repeat; we do not, because a repeat that
   * finds its own effect would be told that it lost the race.
   */
  #unknown(cause: unknown): StoreError {
    const { log, metrics } = this.#options
    metrics?.count('chancery_store_commits_unknown_total')
    log?.error('store.commit_unknown', { error: cause })
    return new StoreError('busy', 'the database went away while it committed; whether it did is not known', { cause })
  }

  async #mayRetry(error: unknown, attempt: number, kind: 'read' | 'write'): Promise<boolean> {
    const { clock, random, metrics } = this.#options
    const reason = retryReason(error)
    if (reason === undefined || attempt >= ATTEMPTS[reason]) return false
    metrics?.count('chancery_store_retries_total', { kind, reason })
    const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1))
    await clock.sleep((random.bytes(4).readUInt32BE() / 2 ** 32) * ceiling)
    return true
  }
}
