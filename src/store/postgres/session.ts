import type { LockMode, Sql, SqlValue } from '../sql/database.ts'
import type { Connection } from './connections.ts'
import type { Answer, Prelude } from './driver.ts'
import type { StatementCache } from './statements.ts'

const ROLLBACK = { text: 'ROLLBACK', name: undefined }

/** NO KEY: whoever only refers to the row by a foreign key need not wait. */
const LOCKS: Readonly<Record<LockMode, string>> = { share: 'FOR SHARE', update: 'FOR NO KEY UPDATE' }

/** The statements of one attempt at a write, on one connection. */
export class Session implements Sql {
  readonly #connection: Connection
  readonly #statements: StatementCache
  /** What travels before the next statement. */
  #waiting: Prelude[]
  /** BEGIN was sent. */
  inTransaction = false

  /** @param begin travels with the first statement */
  constructor(connection: Connection, statements: StatementCache, begin: readonly Prelude[]) {
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

  lock(mode: LockMode, sql: string, ...params: SqlValue[]): void {
    const { text } = this.#statements.translate(sql)
    this.#waiting.push({ text: `${text} ${LOCKS[mode]}`, values: params })
  }

  #query(sql: string, params: readonly SqlValue[]): Promise<Answer> {
    const before = this.#waiting
    this.#waiting = []
    this.inTransaction = true
    return this.#connection.query(this.#statements.translate(sql), params, before)
  }
}

export async function rollBack(connection: Connection): Promise<void> {
  try {
    await connection.query(ROLLBACK, [])
  } catch {
    // The connection is broken then, and is closed when it is given back; the server undoes what was not committed.
  }
}
