import type { LockMode, Sql, SqlValue } from '../sql/database.ts'
import type { Connection } from './connections.ts'
import type { StatementCache, Translated } from './statements.ts'
import type { Answer, Bound } from './wire-query.ts'

const COMMIT = { text: 'COMMIT', name: undefined }
const ROLLBACK = { text: 'ROLLBACK', name: undefined }

/** Statements that wait at most, so that a copy of a large table is not held in memory. */
const MOST_WAITING = 32

/** NO KEY: whoever only refers to the row by a foreign key need not wait. */
const LOCKS: Readonly<Record<LockMode, string>> = { share: 'FOR SHARE', update: 'FOR NO KEY UPDATE' }

/** The statements of one attempt at a write, on one connection. */
export class Session implements Sql {
  readonly #connection: Connection
  readonly #statements: StatementCache
  /** What travels before the next statement. */
  #waiting: Bound[]
  /** BEGIN was sent. */
  inTransaction = false
  /** There is something to commit. */
  needsCommit = false

  /** @param begin travels with the first statement */
  constructor(connection: Connection, statements: StatementCache, begin: readonly Bound[]) {
    this.#connection = connection
    this.#statements = statements
    this.#waiting = [...begin]
  }

  async get<Row>(sql: string, ...params: SqlValue[]): Promise<Row | undefined> {
    return (await this.#query(sql, params)).rows[0] as Row | undefined
  }

  async all<Row>(sql: string, ...params: SqlValue[]): Promise<Row[]> {
    return [...(await this.#query(sql, params)).rows] as Row[]
  }

  async run(sql: string, ...params: SqlValue[]): Promise<{ changes: number }> {
    return { changes: (await this.#query(sql, params)).changes }
  }

  async runWithNext(sql: string, ...params: SqlValue[]): Promise<void> {
    this.needsCommit = true
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push({ ...this.#statements.translate(sql), values: params })
    else await this.#query(sql, params)
  }

  lock(mode: LockMode, sql: string, ...params: SqlValue[]): void {
    this.#waiting.push({ ...this.#statements.translate(`${sql} ${LOCKS[mode]}`), values: params })
  }

  /** @returns the answer to COMMIT, with which the last statements travelled */
  commit(): Promise<Answer> {
    return this.#send(COMMIT, [])
  }

  #query(sql: string, params: readonly SqlValue[]): Promise<Answer> {
    this.needsCommit = true
    return this.#send(this.#statements.translate(sql), params)
  }

  #send(statement: Translated, params: readonly SqlValue[]): Promise<Answer> {
    const before = this.#waiting
    this.#waiting = []
    this.inTransaction = true
    return this.#connection.query(statement, params, before)
  }
}

export async function rollBack(connection: Connection): Promise<void> {
  try {
    await connection.query(ROLLBACK, [])
  } catch {
    // The connection is broken then, and is closed when it is given back; the server undoes what was not committed.
  }
}
