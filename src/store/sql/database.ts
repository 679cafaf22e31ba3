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
