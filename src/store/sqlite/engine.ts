import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../lib/clock.ts'
import { type Random, systemRandom } from '../../lib/random.ts'
import type { Logger } from '../../observe/log.ts'
import type { Metrics } from '../../observe/metrics.ts'
import { MIGRATIONS } from '../migrations/index.ts'
import type { Migration } from '../migrations/migration.ts'
import type { Database, Reads } from '../sql/database.ts'
import type { RecordCache } from '../sql/record-cache.ts'
import { createSqlStore } from '../sql/store.ts'
import type { NonceStore, Store } from '../store.ts'
import { startCheckpointThread } from './checkpoint-thread.ts'
import { Checkpointer, type CheckpointThread } from './checkpointer.ts'
import { type Connect, connectSqlite, prepareReader, prepareWriter, Statements, whileOpening } from './connection.ts'
import { endsWrites, toStoreError } from './errors.ts'
import { GroupCommit } from './group-commit.ts'
import { ServerLock } from './lock.ts'
import { migrate, missingMigrations } from './migrate.ts'
import { keepNonces, takeNonces } from './nonce-custody.ts'
import type { NonceLedger } from './nonce-ledger.ts'
import { createPrivateFile } from './private-file.ts'
import { Reader } from './reader.ts'
import { SqliteRecordCache } from './record-cache.ts'

const IN_MEMORY = ':memory:'

export interface SqliteStoreOptions {
  /** File of the database, made with mode 0600 when absent; or `:memory:`, for tests. */
  readonly path: string
  readonly clock: Clock
  /** Default: the system's. */
  readonly random?: Random
  readonly log?: Logger
  readonly metrics?: Metrics
  /**
   * True for the server: opening fails at once with `busy` while another store is open so on this file. False, the
   * default, for tools that work beside a running server. Never applies to `:memory:`. The exclusive one keeps spent
   * nonces in memory, and remembers what it read.
   */
  readonly exclusive?: boolean
  /** For commands: a write is refused once the database was moved away. */
  readonly unlessMoved?: boolean | undefined
  /** Replaced in tests only: how connections are opened, what copies the log, and which schema this program knows. */
  readonly connect?: Connect
  readonly connectLock?: Connect
  readonly checkpoints?: () => CheckpointThread
  readonly migrations?: readonly Migration[]
  readonly recordCache?: (cache: RecordCache) => RecordCache
}

/**
 * Opens the embedded store, bringing its schema up to date.
 *
 * @throws {StoreError} `busy` when a server holds the database, `schema` when the database is of a newer program,
 *   `full` when it cannot be written, `failed` when the system would not keep what is committed
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { clock, log, exclusive = false } = options
  const database = openDatabase(options)
  const { nonces, records } = database
  const { unlessMoved } = options
  return createSqlStore(database, { clock, log, nonces, records, isOnlyServer: exclusive, unlessMoved })
}

interface SqliteDatabase extends Database {
  /** Of the process that holds the database; absent for any other. */
  readonly nonces: NonceStore | undefined
  readonly records: RecordCache | undefined
}

function openDatabase(options: SqliteStoreOptions): SqliteDatabase {
  const { path, clock, random = systemRandom, log, metrics, connect = connectSqlite, migrations = MIGRATIONS } = options
  const inMemory = path === IN_MEMORY
  const opened: DatabaseSync[] = []
  const open = (readOnly: boolean): DatabaseSync => {
    const connection = connect(path, { readOnly })
    opened.push(connection)
    return connection
  }
  let lock: ServerLock | undefined
  try {
    if (!inMemory) createPrivateFile(path)
    if (options.exclusive && !inMemory) lock = ServerLock.take(path, options.connectLock)
    const writer = open(false)
    prepareWriter(writer, { inMemory })
    const nonces = whileOpening(writer, () => {
      bringUpToDate(writer, { path: inMemory ? undefined : path, holdsLock: lock !== undefined, migrations, clock })
      return lock && takeNonces(writer, { clock, random, log })
    })
    const statements = new Statements(writer)
    const checkpoints = new Checkpointer(statements, {
      clock,
      log,
      startThread: lock && (options.checkpoints ?? (() => startCheckpointThread(path))),
      onFailure: (error) => {
        const reason = toStoreError(error, 'the write-ahead log could not be copied to the database')
        log?.error('store.checkpoint-failed', { error: reason })
        if (endsWrites(error)) commits.fail(reason)
      },
    })
    const isWriterWell = () => !commits.hasFailed && writer.isOpen
    const remembered = lock && new SqliteRecordCache(statements, { isWriterWell })
    const commits = new GroupCommit(statements, { clock, log, metrics, checkpoints, remembered })
    const reader = new Reader(statements, {
      isWriterWell: () => !commits.hasFailed,
      aside: inMemory ? takingTurns(commits) : openReader(open(true)),
    })
    return {
      nonces,
      records: remembered && (options.recordCache?.(remembered) ?? remembered),
      get: (sql, ...params) => reader.get(sql, ...params),
      all: (sql, ...params) => reader.all(sql, ...params),
      write: (fn) => commits.write(fn),
      async close() {
        await commits.close()
        await checkpoints.close()
        reader.close()
        if (nonces !== undefined && writer.isOpen && !commits.hasFailed) keepNoncesIfPossible(writer, nonces, log)
        for (const connection of opened) if (connection.isOpen) connection.close()
        lock?.release()
      },
    }
  } catch (error) {
    for (const connection of opened) if (connection.isOpen) connection.close()
    lock?.release()
    throw toStoreError(error, `cannot open ${path}`)
  }
}

/** A failing disk must not keep the store from closing; the nonces are then void (see `takeNonces`). */
function keepNoncesIfPossible(connection: DatabaseSync, nonces: NonceLedger, log: Logger | undefined): void {
  try {
    keepNonces(connection, nonces)
  } catch (error) {
    log?.warn('store.nonces-lost', { error: toStoreError(error, 'the spent nonces were not kept') })
  }
}

function openReader(connection: DatabaseSync): Reads {
  prepareReader(connection)
  return new Statements(connection)
}

/** A database in memory exists on one connection only, so while a batch is open reads take their turn with the writes. */
function takingTurns(commits: GroupCommit): Reads {
  return {
    get: (sql, ...params) => commits.write((inside) => inside.get(sql, ...params)),
    all: (sql, ...params) => commits.write((inside) => inside.all(sql, ...params)),
  }
}

/** The schema changes only under the server's lock, so that never an old and a new program work side by side (KF-E16). */
function bringUpToDate(
  connection: DatabaseSync,
  {
    path,
    holdsLock,
    migrations,
    clock,
  }: {
    readonly path: string | undefined
    readonly holdsLock: boolean
    readonly migrations: readonly Migration[]
    readonly clock: Clock
  },
): void {
  if (missingMigrations(connection, migrations).length === 0) return
  const lock = path === undefined || holdsLock ? undefined : ServerLock.take(path)
  try {
    migrate(connection, migrations, clock)
  } finally {
    lock?.release()
  }
}
