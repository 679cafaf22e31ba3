import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Sql, SqlValue } from '../sql/database.ts'
import { StoreError } from '../store.ts'

/** Opens a connection. Handed in, so that tests can make the disk fail. */
export type Connect = (path: string, options: { readOnly: boolean }) => DatabaseSync

/** How long a statement waits for another process, blocking this one; longer waits are made between attempts. */
const BUSY_TIMEOUT_MS = 20
/** The same while the store is opened: then there is nobody yet to hold up. */
const OPENING_BUSY_TIMEOUT_MS = 5000

/** Pages in memory per connection, so that the indexes of a busy day need not be read again and again. */
const CACHE_KIB = 8 * 1024

/** A checkpoint cuts the write-ahead log back to this after a burst. */
const WAL_KEPT_BYTES = 64 * 1024 * 1024

export const connectSqlite: Connect = (path, { readOnly }) =>
  new DatabaseSync(path, { readOnly, timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })

/** Prepares a connection that writes. Refuses one that would not keep what it acknowledges. */
export function prepareWriter(connection: DatabaseSync, { inMemory }: { inMemory: boolean }): void {
  connection.exec('PRAGMA journal_mode = WAL')
  prepareCheckpoints(connection)
  // On macOS, only this makes a commit reach the medium; elsewhere it does nothing.
  connection.exec('PRAGMA fullfsync = ON')
  connection.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
  connection.exec(`PRAGMA journal_size_limit = ${WAL_KEPT_BYTES}`)
  // What a savepoint may have to undo is held in memory instead of a temporary file.
  connection.exec('PRAGMA temp_store = MEMORY')
  checkPragma(connection, 'journal_mode', inMemory ? 'memory' : 'wal')
  checkPragma(connection, 'synchronous', 2)
  checkPragma(connection, 'foreign_keys', 1)
}

/** Prepares a connection that copies the write-ahead log, when it is told to and not by itself (`checkpointer.ts`). */
export function prepareCheckpoints(connection: DatabaseSync): void {
  connection.exec('PRAGMA synchronous = FULL')
  connection.exec('PRAGMA checkpoint_fullfsync = ON')
  connection.exec('PRAGMA wal_autocheckpoint = 0')
}

/** Runs what is done once while the store is opened; a tool that writes just then is waited for. */
export function whileOpening<T>(connection: DatabaseSync, work: () => T): T {
  connection.exec(`PRAGMA busy_timeout = ${OPENING_BUSY_TIMEOUT_MS}`)
  const value = work()
  connection.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
  return value
}

export function prepareReader(connection: DatabaseSync): void {
  connection.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
}

/** Some builds of SQLite force their own settings, and then lose the last commits at a power cut (KF-E02). */
function checkPragma(connection: DatabaseSync, name: string, wanted: string | number): void {
  const actual = connection.prepare(`PRAGMA ${name}`).get()?.[name]
  if (actual !== wanted) {
    throw new StoreError(
      'failed',
      `SQLite keeps ${name} at ${actual} where ${wanted} was set; on this system the database could lose what it ` +
        'acknowledged, so it is not opened. Run on a local disk, with the Node.js this version names',
    )
  }
}

/** A connection with its prepared statements. Everything happens at once; the promises are for the sake of `Sql`. */
export class Statements implements Sql {
  readonly connection: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(connection: DatabaseSync) {
    this.connection = connection
  }

  /** True between BEGIN and its end. */
  get isTransaction(): boolean {
    return this.connection.isTransaction
  }

  async get<Row>(sql: string, ...params: SqlValue[]): Promise<Row | undefined> {
    return this.#prepare(sql).get(...params) as Row | undefined
  }

  async all<Row>(sql: string, ...params: SqlValue[]): Promise<Row[]> {
    return this.#prepare(sql).all(...params) as Row[]
  }

  /** Like `get`, at once. */
  first<Row>(sql: string): Row | undefined {
    return this.#prepare(sql).get() as Row | undefined
  }

  async run(sql: string, ...params: SqlValue[]): Promise<{ changes: number }> {
    return { changes: this.exec(sql, ...params) }
  }

  /** Like `run`, for the engine's own BEGIN and COMMIT, which must not let anybody in between. */
  exec(sql: string, ...params: SqlValue[]): number {
    return Number(this.#prepare(sql).run(...params).changes)
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#prepared.get(sql)
    if (statement === undefined) {
      statement = this.connection.prepare(sql)
      this.#prepared.set(sql, statement)
    }
    return statement
  }
}
