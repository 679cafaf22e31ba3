import type { Sql } from '../sql/database.ts'
import { StoreError } from '../store.ts'
import type { Statements } from './connection.ts'
import { toStoreError } from './errors.ts'

/** Reads of committed data on a connection of their own, each on one snapshot, one after the other. */
export class Reader {
  readonly #sql: Statements
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(sql: Statements) {
    this.#sql = sql
  }

  read<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreError('failed', 'the store was closed'))
    const result = this.#last.then(() => this.#snapshot(run))
    this.#last = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#last
  }

  async #snapshot<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
    try {
      this.#sql.exec('BEGIN')
      try {
        return await run(this.#sql)
      } finally {
        if (this.#sql.connection.isTransaction) this.#sql.exec('COMMIT')
      }
    } catch (error) {
      throw toStoreError(error, 'the database could not be read')
    }
  }
}
