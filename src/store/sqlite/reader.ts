import type { Reads, SqlValue } from '../sql/database.ts'
import { StoreError } from '../store.ts'
import type { Statements } from './connection.ts'
import { toStoreError } from './errors.ts'

/**
 * Reads of committed data, one statement each. The writer's own connection answers while it has no transaction open: what
 * it just wrote is still in its memory, whereas another connection reads every page anew after each commit. While a batch
 * is open, and once the writer failed, a connection that only reads answers.
 */
export class Reader implements Reads {
  readonly #writer: Statements
  readonly #isWriterWell: () => boolean
  readonly #aside: Reads
  #closed = false

  /** @param options.aside what answers while the writer's connection cannot */
  constructor(writer: Statements, options: { readonly isWriterWell: () => boolean; readonly aside: Reads }) {
    this.#writer = writer
    this.#isWriterWell = options.isWriterWell
    this.#aside = options.aside
  }

  async get<Row>(sql: string, ...params: SqlValue[]): Promise<Row | undefined> {
    try {
      if (this.#mayUseWriter()) return this.#writer.first<Row>(sql, params)
      return await this.#aside.get<Row>(sql, ...params)
    } catch (error) {
      throw toStoreError(error, 'the database could not be read')
    }
  }

  async all<Row>(sql: string, ...params: SqlValue[]): Promise<Row[]> {
    try {
      if (this.#mayUseWriter()) return this.#writer.every<Row>(sql, params)
      return await this.#aside.all<Row>(sql, ...params)
    } catch (error) {
      throw toStoreError(error, 'the database could not be read')
    }
  }

  close(): void {
    this.#closed = true
  }

  #mayUseWriter(): boolean {
    if (this.#closed) throw new StoreError('failed', 'the store was closed')
    return !this.#writer.isTransaction && this.#isWriterWell()
  }
}
