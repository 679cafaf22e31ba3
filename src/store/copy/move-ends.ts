import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../lib/clock.ts'
import { postgresTarget } from '../postgres/copy-ends.ts'
import { sqlState } from '../postgres/errors.ts'
import { keepServersOut } from '../postgres/keep-servers-out.ts'
import { inLongTransaction, type PostgresPlace } from '../postgres/long-transaction.ts'
import { connectSqlite, prepareWriter, whileOpening } from '../sqlite/connection.ts'
import { sqliteTarget } from '../sqlite/copy-ends.ts'
import { toStoreError } from '../sqlite/errors.ts'
import { ServerLock } from '../sqlite/lock.ts'
import { StoreError } from '../store.ts'
import type { CopyTarget } from './copy-rows.ts'

/** One of the two databases of a move, kept from every server as long as it is open. */
export interface MoveEnd {
  /** As messages name it. */
  readonly name: string
  /** One transaction, tried once. It fails when a server was at work meanwhile. */
  transaction<T>(work: (sql: CopyTarget) => Promise<T>): Promise<T>
  close(): void
}

/** @param path of a database that exists. @throws {StoreError} `busy` when a server holds it */
export function sqliteEnd(path: string): MoveEnd {
  const lock = ServerLock.take(path)
  let connection: DatabaseSync
  try {
    connection = connectSqlite(path, { readOnly: false })
    prepareWriter(connection, { inMemory: false })
  } catch (error) {
    lock.release()
    throw toStoreError(error, `cannot open ${path}`)
  }
  return {
    name: path,
    async transaction(work) {
      try {
        whileOpening(connection, () => connection.exec('BEGIN IMMEDIATE'))
        const value = await work(sqliteTarget(connection))
        connection.exec('COMMIT')
        return value
      } catch (error) {
        if (connection.isTransaction) connection.exec('ROLLBACK')
        throw error instanceof Error && 'errcode' in error ? toStoreError(error, path) : error
      }
    },
    close() {
      connection.close()
      lock.release()
    },
  }
}

export function postgresEnd(place: PostgresPlace, name: string, { clock }: { readonly clock: Clock }): MoveEnd {
  return {
    name,
    async transaction(work) {
      try {
        return await inLongTransaction(place, 'SERIALIZABLE', { clock }, async (sql) => {
          await keepServersOut(sql, clock)
          return work(postgresTarget(sql))
        })
      } catch (error) {
        if (error instanceof StoreError && sqlState(error.cause) === '40001')
          throw new StoreError('busy', `a server started on ${name} meanwhile; stop it and begin again`, {
            cause: error,
          })
        throw error
      }
    },
    close: () => undefined,
  }
}
