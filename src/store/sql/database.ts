/**
 * What the statements in this folder need of an engine. They are written once, in SQL that SQLite and PostgreSQL
 * both understand: `?` placeholders, `ON CONFLICT`, `RETURNING`, instants as BIGINT milliseconds since 1970, JSON
 * as text. What differs between engines stays in the engine's own folder.
 */
export interface Database extends Reads {
  /**
   * Runs `fn` in a transaction and resolves with its value once that is durable. When `fn` throws, everything it
   * did is undone, and what it threw is passed on if it is a `StoreError` or an `Undo`; anything else becomes a
   * `StoreError`.
   *
   * An engine may run `fn` again after a lost race, and may hold other work back until it ends: `fn` awaits
   * nothing but `sql`, and has no effect but through it.
   */
  write<T>(fn: (sql: Sql) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/**
 * Statements that return rows. Outside a write, each sees committed data as of one moment, and two of them may see two
 * moments: what must fit together is asked for in one statement.
 */
export interface Reads {
  /** The first row, or undefined. */
  get<Row>(sql: string, ...params: SqlValue[]): Promise<Row | undefined>
  all<Row>(sql: string, ...params: SqlValue[]): Promise<Row[]>
}

/** Inside a write, `get` and `all` also take statements with RETURNING. */
export interface Sql extends Reads {
  run(sql: string, ...params: SqlValue[]): Promise<{ changes: number }>
  /** A statement whose answer nobody looks at; see `runWithNext`. Absent on an engine without round trips. */
  runWithNext?(sql: string, ...params: SqlValue[]): Promise<void>
  /**
   * Locks the rows that a SELECT finds until the end of the transaction; see `lockRows`. Absent on an engine whose
   * writes run one after the other.
   */
  lock?(mode: LockMode, sql: string, ...params: SqlValue[]): void
}

/** `update` lets nobody else in; `share` lets others in who share, and keeps out who changes. */
export type LockMode = 'share' | 'update'

/**
 * Holds rows from now to the end of a write, so that what the next statements see of them stays true. A statement that
 * changes a row and decides by that row alone needs none of this; one that decides by *other* rows locks the row that
 * stands for them all, such as the authorization for its challenges. Rows are locked in this order: job, account,
 * authorization, certificate, order. Costs nothing on SQLite, and no round trip elsewhere: it travels with the next
 * statement.
 *
 * @param select a SELECT of one table, without ORDER BY
 */
export function lockRows(sql: Sql, mode: LockMode, select: string, ...params: SqlValue[]): void {
  sql.lock?.(mode, select, ...params)
}

/**
 * Runs a statement of which nobody wants to know more than that it did not fail. It keeps its place in the order of
 * statements and costs no round trip: it travels with the next one, or with COMMIT. When it fails, so does that.
 */
export async function runWithNext(sql: Sql, text: string, ...params: SqlValue[]): Promise<void> {
  if (sql.runWithNext !== undefined) await sql.runWithNext(text, ...params)
  else await sql.run(text, ...params)
}

export type SqlValue = string | number | Uint8Array | null

/** Thrown inside a write to undo what was done so far and still answer with a value; see `writeOrUndo`. */
export class Undo<T> extends Error {
  readonly outcome: T
  constructor(outcome: T) {
    super('undone on purpose')
    this.outcome = outcome
  }
}

/** A write whose function may `throw new Undo(outcome)`: nothing of it stays, and the caller gets the outcome. */
export async function writeOrUndo<T>(database: Database, fn: (sql: Sql) => Promise<T>): Promise<T> {
  try {
    return await database.write(fn)
  } catch (error) {
    if (error instanceof Undo) return error.outcome as T
    throw error
  }
}
