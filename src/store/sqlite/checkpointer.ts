import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observe/log.ts'
import type { Statements } from './connection.ts'

/** Pages in the write-ahead log before they are copied to the database; a hot page is then copied once for many commits. */
const CHECKPOINT_PAGES = 4000
/** The log is measured after so many commits. */
const LOOK_EVERY = 8
/** How long writes wait for the last pages to be copied, so that the log begins anew; then they go on all the same. */
const HOLD_MS = 250
/** How long the end of the store waits for the thread. */
const CLOSE_MS = 5_000

// Measures the log and copies nothing.
export const MEASURE = 'PRAGMA wal_checkpoint(NOOP)'
export const COPY = 'PRAGMA wal_checkpoint(PASSIVE)'

/** Copies what it can of the log to the database on another thread. Rejects with what node:sqlite throws. */
export interface CheckpointThread {
  copy(): Promise<void>
  close(): Promise<void>
}

/**
 * Keeps the write-ahead log short. SQLite would copy its pages at the end of some commit, with two fsyncs, and so hold up
 * the event loop for tens of milliseconds; and it would not tell when that fails. Here another thread copies while
 * writing goes on, and only for the last few pages do writes wait. Without a thread, or where it died, the pages are
 * copied between two commits.
 */
export class Checkpointer {
  readonly #writer: Statements
  readonly #clock: Clock
  readonly #log: Logger | undefined
  readonly #startThread: (() => CheckpointThread) | undefined
  readonly #onFailure: (error: unknown) => void
  #thread: CheckpointThread | undefined
  #threadIsLost = false
  #running: Promise<void> | undefined
  #hold: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #commits = 0

  constructor(
    writer: Statements,
    options: {
      readonly clock: Clock
      readonly log: Logger | undefined
      /** Called when there is work for the first time; absent to do without. */
      readonly startThread: (() => CheckpointThread) | undefined
      /** The disk refused to take pages that were acknowledged: they are in the log still, and nothing may follow. */
      readonly onFailure: (error: unknown) => void
    },
  ) {
    this.#writer = writer
    this.#clock = options.clock
    this.#log = options.log
    this.#startThread = options.startThread
    this.#onFailure = options.onFailure
  }

  /** What a batch waits for before it begins; undefined mostly. */
  get hold(): Promise<void> | undefined {
    return this.#hold
  }

  /** To be called after each commit, with no transaction open. */
  committed(): void {
    this.#commits += 1
    if (this.#commits % LOOK_EVERY !== 0 || this.#running !== undefined || !this.#isLong()) return
    if (this.#startThread === undefined || this.#threadIsLost) this.#copyHere()
    else {
      this.#running = this.#copyAside(this.#startThread).finally(() => {
        this.#running = undefined
      })
    }
  }

  /** Ends the thread. A disk that never answers does not hold up the end of the process. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      const ended = new AbortController()
      const patience = this.#clock.sleep(CLOSE_MS, ended.signal)
      this.#closed = Promise.race([this.#end(), patience]).finally(() => ended.abort())
    }
    return this.#closed
  }

  async #end(): Promise<void> {
    await this.#running
    await this.#thread?.close()
  }

  async #copyAside(startThread: () => CheckpointThread): Promise<void> {
    try {
      this.#thread ??= startThread()
      // The first pass copies most, the second what came during the first. Writing goes on.
      await this.#thread.copy()
      await this.#thread.copy()
      // Once all is copied, the next commit begins the log anew.
      const copied = this.#thread.copy()
      this.#hold = Promise.race([copied.catch(() => {}), this.#clock.sleep(HOLD_MS)])
      await copied
    } catch (error) {
      this.#threadFailed(error)
    } finally {
      this.#hold = undefined
    }
  }

  #threadFailed(error: unknown): void {
    if (error instanceof ThreadLost) {
      this.#threadIsLost = true
      this.#log?.error('store.checkpoint-thread-lost', { error })
    } else this.#onFailure(error)
  }

  #copyHere(): void {
    try {
      this.#writer.exec(COPY)
    } catch (error) {
      this.#onFailure(error)
    }
  }

  /** Never throws: what was committed is not to be doubted because its log could not be measured. */
  #isLong(): boolean {
    try {
      return (this.#writer.first<{ log: number }>(MEASURE, [])?.log ?? 0) >= CHECKPOINT_PAGES
    } catch (error) {
      this.#onFailure(error)
      return false
    }
  }
}

/** The thread ended, which says nothing of the disk. */
export class ThreadLost extends Error {}
