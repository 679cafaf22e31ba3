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

/** Makes an object of the values of a row, in the order of its columns. */
type ToRow = (values: readonly unknown[]) => unknown

interface Prepared {
  readonly statement: StatementSync
  /** Absent until the statement gave its first row. */
  toRow?: ToRow
}

/** A connection with its prepared statements. Everything happens at once; the promises are for the sake of `Sql`. */
export class Statements implements Sql {
  readonly connection: DatabaseSync
  readonly #prepared = new Map<string, Prepared>()

  constructor(connection: DatabaseSync) {
    this.connection = connection
  }

  /** True between BEGIN and its end. */
  get isTransaction(): boolean {
    return this.connection.isTransaction
  }

  async get<Row>(sql: string, ...params: SqlValue[]): Promise<Row | undefined> {
    return this.first<Row>(sql, params)
  }

  async all<Row>(sql: string, ...params: SqlValue[]): Promise<Row[]> {
    return this.every<Row>(sql, params)
  }

  async run(sql: string, ...params: SqlValue[]): Promise<{ changes: number }> {
    return { changes: this.exec(sql, ...params) }
  }

  /** Like `get`, at once. */
  first<Row>(sql: string, params: readonly SqlValue[]): Row | undefined {
    const prepared = this.#prepare(sql)
    const values = prepared.statement.get(...params) as readonly unknown[] | undefined
    return values && (toRowOf(prepared)(values) as Row)
  }

  /** Like `all`, at once. */
  every<Row>(sql: string, params: readonly SqlValue[]): Row[] {
    const prepared = this.#prepare(sql)
    const rows = prepared.statement.all(...params) as unknown as (readonly unknown[])[]
    return rows.length === 0 ? [] : (rows.map(toRowOf(prepared)) as Row[])
  }

  /** Like `run`, at once; for the engine's own BEGIN and COMMIT too, which must not let anybody in between. */
  exec(sql: string, ...params: SqlValue[]): number {
    return Number(this.#prepare(sql).statement.run(...params).changes)
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql)
    if (known !== undefined) return known
    const statement = this.connection.prepare(sql)
    statement.setReturnArrays(true)
    const prepared: Prepared = { statement }
    this.#prepared.set(sql, prepared)
    return prepared
  }
}

/**
 * node:sqlite makes each row a dictionary without a shape, which is slow to make and to read. Rows of one statement have
 * one shape here, which halves what reading costs.
 */
function toRowOf(prepared: Prepared): ToRow {
  prepared.toRow ??= shapeOf(prepared.statement.columns().map(({ name }) => name))
  return prepared.toRow
}

function shapeOf(names: readonly string[]): ToRow {
  class Row {
    readonly [column: string]: unknown

    constructor(values: readonly unknown[]) {
      for (let i = 0; i < names.length; i++) (this as Record<string, unknown>)[names[i] as string] = values[i]
    }
  }
  return (values) => new Row(values)
}
