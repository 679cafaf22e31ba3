import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observe/log.ts'
import type { Metrics } from '../../observe/metrics.ts'
import type { Sql } from '../sql/database.ts'
import { StoreError } from '../store.ts'
import type { Statements } from './connection.ts'
import { endsWrites, isBusy, toStoreError } from './errors.ts'
import { nextTurn, PacedAnswers } from './paced-answers.ts'

/** Most writes that share one commit, and how long they may run before it: both bound how long the event loop waits. */
const MAX_BATCH = 256
const MAX_BATCH_MS = 4
/** A commit waits for this many writes, or this long, while more of them keep coming. */
const GATHERED = 32
const GATHER_MS = 10
/** How often a commit is tried that another process holds up, and how long to wait in between. */
const BUSY_ATTEMPTS = 100
const BUSY_WAIT_MS = 20

/** After a write failed, so many batches are run with savepoints, so that failing on purpose does not cost double. */
const APART_FOR = 32

interface Write {
  readonly run: (sql: Sql) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

type Settle = () => void

/** See `Checkpointer`. */
interface Checkpoints {
  readonly hold: Promise<void> | undefined
  committed(): void
}

/** See `SqliteRecordCache`. */
interface Remembered {
  transactionEnded(): void
}

/**
 * The only writer of the database. Writes that arrive together are committed together, and each is acknowledged
 * after the commit. A write that fails, fails alone. Once the disk is full or failing, no write is tried any more until
 * the process is restarted (KF-E03).
 */
export class GroupCommit {
  readonly #sql: Statements
  readonly #clock: Clock
  readonly #log: Logger | undefined
  readonly #metrics: Metrics | undefined
  readonly #checkpoints: Checkpoints | undefined
  readonly #remembered: Remembered | undefined
  readonly #queue: Write[] = []
  readonly #answers = new PacedAnswers()
  #running: Promise<void> | undefined
  /** Batches still to be run with savepoints. */
  #apart = 0
  #hasFailed = false
  /** Why nothing is written any more. */
  #stopped: StoreError | undefined

  constructor(
    sql: Statements,
    options: {
      readonly clock: Clock
      readonly log: Logger | undefined
      readonly metrics: Metrics | undefined
      /** Absent where the log is never copied. */
      readonly checkpoints?: Checkpoints
      /** Absent where nothing is remembered of what was read. */
      readonly remembered?: Remembered | undefined
    },
  ) {
    this.#sql = sql
    this.#clock = options.clock
    this.#log = options.log
    this.#metrics = options.metrics
    this.#checkpoints = options.checkpoints
    this.#remembered = options.remembered
  }

  write<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped)
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run, resolve: resolve as (value: unknown) => void, reject })
      this.#running ??= this.#drain()
    })
  }

  /** True once the disk failed: nothing is to be written any more, by anybody (KF-E03). */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** Lets writes under way end, then refuses further ones. */
  async close(): Promise<void> {
    for (let busy = this.#busy; busy !== undefined; busy = this.#busy) await busy
    this.#stopped ??= new StoreError('failed', 'the store was closed')
  }

  get #busy(): Promise<void> | undefined {
    return this.#running ?? this.#answers.underWay
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        await this.#gather()
        await this.#checkpoints?.hold
        await this.#commit()
      }
    } finally {
      this.#running = undefined
    }
  }

  /**
   * Waits for whatever else the event loop brings, as long as each turn of it brings something. An idle loop ends its
   * turn at once; one that is full takes milliseconds for each, and a commit with its fsync costs as much processor time
   * as five writes.
   */
  async #gather(): Promise<void> {
    const startedMs = this.#clock.monotonicMs()
    let before: number
    do {
      before = this.#queue.length
      await nextTurn()
    } while (
      this.#queue.length > before &&
      this.#queue.length < GATHERED &&
      this.#clock.monotonicMs() - startedMs < GATHER_MS
    )
  }

  async #commit(): Promise<void> {
    const batch: Write[] = []
    let settled: readonly Settle[]
    try {
      if (this.#stopped !== undefined) throw this.#stopped
      await this.#begin()
      const arriving = this.#take(batch)
      settled =
        this.#apart > 0
          ? await this.#runApart(arriving)
          : ((await this.#runTogether(arriving)) ?? (await this.#runApart(batch)))
      const startedMs = this.#clock.monotonicMs()
      this.#sql.exec('COMMIT')
      this.#remembered?.transactionEnded()
      this.#metrics?.observe('chancery_store_commit_seconds', (this.#clock.monotonicMs() - startedMs) / 1000)
    } catch (error) {
      this.#rollBack()
      const reason = toStoreError(error, 'the database did not commit')
      if (endsWrites(error)) this.fail(reason)
      // When not even the transaction began, those fail that would have been in it.
      for (const write of batch.length > 0 ? batch : this.#queue.splice(0, MAX_BATCH)) write.reject(reason)
      return
    }
    this.#answers.give(settled)
    this.#checkpoints?.committed()
  }

  async #begin(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#sql.exec('BEGIN IMMEDIATE')
        return
      } catch (error) {
        if (!isBusy(error) || attempt === BUSY_ATTEMPTS) throw error
        await this.#clock.sleep(BUSY_WAIT_MS)
      }
    }
  }

  /** Takes writes from the queue into the batch, as many as one commit may have. */
  *#take(batch: Write[]): Generator<Write> {
    const startedMs = this.#clock.monotonicMs()
    do {
      const write = this.#queue.shift()
      if (write === undefined) return
      batch.push(write)
      yield write
    } while (batch.length < MAX_BATCH && this.#clock.monotonicMs() - startedMs < MAX_BATCH_MS)
  }

  /**
   * Runs one write after the other.
   *
   * @returns how to answer each once the commit is durable, or undefined when one failed: then nothing is left of any
   */
  async #runTogether(writes: Iterable<Write>): Promise<Settle[] | undefined> {
    const settled: Settle[] = []
    try {
      for (const { run, resolve } of writes) {
        const value = await run(this.#sql)
        settled.push(() => resolve(value))
      }
      return settled
    } catch (error) {
      if (this.#isBeyondUndoing(error)) throw error
      this.#apart = APART_FOR
      this.#sql.exec('ROLLBACK')
      await this.#begin()
      return undefined
    }
  }

  /** Runs each write in a savepoint of its own, which most batches do without. */
  async #runApart(writes: Iterable<Write>): Promise<Settle[]> {
    this.#apart -= 1
    const settled: Settle[] = []
    for (const { run, resolve, reject } of writes) {
      this.#sql.exec('SAVEPOINT one_write')
      try {
        const value = await run(this.#sql)
        this.#sql.exec('RELEASE one_write')
        settled.push(() => resolve(value))
      } catch (error) {
        if (this.#isBeyondUndoing(error)) throw error
        this.#sql.exec('ROLLBACK TO one_write')
        this.#sql.exec('RELEASE one_write')
        const reason = toStoreError(error, 'the database refused a write')
        settled.push(() => reject(reason))
      }
    }
    return settled
  }

  /** After some errors SQLite has rolled back everything already, not one write alone. */
  #isBeyondUndoing(error: unknown): boolean {
    return endsWrites(error) || !this.#sql.isTransaction
  }

  #rollBack(): void {
    if (!this.#sql.connection.isOpen || !this.#sql.connection.isTransaction) return
    try {
      this.#sql.exec('ROLLBACK')
      this.#remembered?.transactionEnded()
    } catch (error) {
      // The connection can no longer be told from one with half a batch in it.
      this.fail(toStoreError(error, 'the database did not roll back'))
    }
  }

  /** Ends all writing until restart. */
  fail(reason: Error): void {
    this.#hasFailed = true
    if (this.#stopped !== undefined) return
    const code = reason instanceof StoreError ? reason.code : 'failed'
    this.#stopped = new StoreError(code, `no more writes until restart: ${reason.message}`, { cause: reason })
    this.#log?.error('store.stopped', { error: reason })
  }
}
