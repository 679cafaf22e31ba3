import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Change } from '../store/history.ts'
import { ServerLock } from '../store/sqlite/lock.ts'
import { type Store, StoreError } from '../store/store.ts'
import { HoleWatch } from './hole-watch.ts'
import { LogError, OlderDatabaseError } from './log-error.ts'
import { type LogPosition, LogWriter, prepareLogFolder } from './log-writer.ts'
import { mustKnow, placeInHistory } from './place-in-history.ts'

/** Audit events looked at in one read, so that no other read waits for long. */
const PAGE = 500
/** After so many full pages in a row the log is catching up with a past, which has time. */
const HURRY_PAGES = 20
const PAUSE_MS = 20

/**
 * The certificates' own log: what was issued and what ended, in files beside the database or on another disk, so that a
 * restore can say what the backup does not know and put it back (KF-E08).
 *
 * It follows the audit trail of the store. So it holds what was committed and nothing else; after a crash it goes on
 * where it stopped; and an issuance waits for nothing but its own commit.
 */
export interface IssuanceLog {
  /**
   * Begins to follow, and goes on until `stop`.
   *
   * @param fail told when the database was replaced by an earlier copy meanwhile; nothing may be served from it
   */
  start(fail: (error: Error) => void): void
  /**
   * Resolves when everything that was committed before the call is durable in the log.
   *
   * @throws {LogError | StoreError}
   */
  flush(): Promise<void>
  /** What keeps the log from being written now; undefined when it is well. */
  problem(): string | undefined
  /** Removes files that ended long ago. @returns how many */
  prune(): Promise<number>
  /** Writes what there is, and ends. */
  stop(): Promise<void>
}

export interface IssuanceLogOptions {
  /** Made when it is absent. */
  readonly folder: string
  readonly store: Pick<Store, 'history'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** The longest time from a commit to its being in the log. */
  readonly delaySeconds: number
  /** How long files are kept after the last certificate in them ended. */
  readonly keepSeconds: number
}

/**
 * Opens the log of this process, and makes sure that it is of the same history as the store.
 *
 * @throws {LogError} when another process writes this log, when it is damaged, or when the database is older than it
 */
export async function openIssuanceLog(options: IssuanceLogOptions): Promise<IssuanceLog> {
  const { folder, store, clock } = options
  await prepareLogFolder(folder)
  const lock = takeLock(folder)
  try {
    const writer = await LogWriter.open(folder, clock)
    await writer.startAt(await placeInHistory(store.history, writer.position, folder))
    return follow(options, writer, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

function takeLock(folder: string): ServerLock {
  try {
    return ServerLock.take(`${folder}/writer`)
  } catch (cause) {
    if (!(cause instanceof StoreError) || cause.code !== 'busy') throw cause
    throw new LogError(`${folder}: another server writes this log; give each its own issuanceLog.path`, { cause })
  }
}

function follow(options: IssuanceLogOptions, writer: LogWriter, lock: ServerLock): IssuanceLog {
  const { store, clock, log, metrics } = options
  const stopping = new AbortController()
  let holes = new HoleWatch(positionOf(writer).mark.id, clock)
  let loop: Promise<void> | undefined
  let pass: Promise<void> = Promise.resolve()
  /** The pass after it, which has not begun. */
  let next: Promise<void> | undefined
  let problem: string | undefined

  /** Writes everything there is. */
  async function catchUp(): Promise<void> {
    for (let pages = 1; ; pages++) {
      const page = await store.history.changes({ after: holes.head, limit: PAGE })
      holes.saw(page)
      await write(page.changes)
      if (page.count < PAGE) break
      await (pages < HURRY_PAGES ? nextTurn() : clock.sleep(PAUSE_MS, stopping.signal))
    }
    const late = holes.range()
    if (late !== undefined) {
      const page = await store.history.changes({ ...late, limit: PAGE })
      const missing = holes.fill(page)
      await write(page.changes.filter(({ id }) => missing.has(id)))
    }
    await writer.sync()
  }

  async function write(changes: readonly Change[]): Promise<void> {
    const upTo = holes.complete()
    if (changes.length === 0 && upTo === positionOf(writer).mark.id) return
    // Where nothing that matters happened, the mark alone moves on, now and then.
    const event = await store.history.find(upTo)
    const mark = event === undefined ? positionOf(writer).mark : { id: event.id, fingerprint: event.fingerprint }
    await writer.append(changes, mark)
    metrics.count('chancery_issuance_log_records_total', {}, changes.length)
  }

  async function attempt(): Promise<void> {
    try {
      // A database on a server of its own can be replaced while this process runs.
      await mustKnow(store.history, positionOf(writer), options.folder)
      await catchUp()
      if (problem !== undefined) log.info('issuance-log.well-again')
      problem = undefined
    } catch (error) {
      if (problem === undefined) log.error('issuance-log.failed', { error })
      problem = error instanceof Error ? error.message : String(error)
      // What was written since the last success is not sure to be there.
      holes = new HoleWatch(positionOf(writer).mark.id, clock)
      throw error
    }
  }

  /**
   * A pass that is under way may be past what the caller means; one that has not begun serves all who came before it, so
   * that a crowd makes no line of passes (KF-F23).
   */
  function flush(): Promise<void> {
    if (next !== undefined) return next
    const mine = pass.then(() => {
      next = undefined
      return attempt()
    })
    next = mine
    pass = mine.catch(() => undefined)
    return mine
  }

  return {
    start(fail) {
      loop ??= (async () => {
        while (!stopping.signal.aborted) {
          await flush().catch((error: unknown) => {
            if (error instanceof OlderDatabaseError) fail(error)
          })
          await clock.sleep(options.delaySeconds * 1000, stopping.signal)
        }
      })()
    },
    flush,
    problem: () => problem,
    prune: () => writer.prune(options.keepSeconds),
    async stop() {
      stopping.abort()
      await loop
      await flush().catch(() => undefined)
      await writer.close()
      lock.release()
    },
  }
}

function positionOf(writer: LogWriter): LogPosition {
  const { position } = writer
  if (position === undefined) throw new Error('the log was not started')
  return position
}
