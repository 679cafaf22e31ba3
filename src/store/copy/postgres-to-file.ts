import { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../lib/clock.ts'
import { MIGRATIONS } from '../migrations/index.ts'
import { postgresSource, schemaOf } from '../postgres/copy-ends.ts'
import { inLongTransaction, type PostgresPlace } from '../postgres/long-transaction.ts'
import { sqliteTarget } from '../sqlite/copy-ends.ts'
import { toStoreError } from '../sqlite/errors.ts'
import { migrate } from '../sqlite/migrate.ts'
import { createPrivateFile } from '../sqlite/private-file.ts'
import { StoreError } from '../store.ts'
import { copyTables } from './copy-rows.ts'
import { tableShapes } from './table-shapes.ts'

/**
 * Copies a database on a server into a new SQLite file of mode 0600, of the same schema, while others write to it: one
 * state, in one transaction that only reads. The file is not durable yet (`sealSnapshot`), and after a failure it is
 * worth nothing. Holds up the thread.
 *
 * @throws {StoreError}
 */
export async function copyPostgresToFile(
  from: PostgresPlace,
  path: string,
  { clock }: { readonly clock: Clock },
): Promise<void> {
  let file: DatabaseSync | undefined
  try {
    createPrivateFile(path)
    const connection = new DatabaseSync(path, { enableForeignKeyConstraints: true })
    file = connection
    // Nobody relies on the file before it was made durable as a whole.
    connection.exec('PRAGMA journal_mode = OFF')
    connection.exec('PRAGMA synchronous = OFF')
    await inLongTransaction(from, 'REPEATABLE READ READ ONLY', { clock }, async (sql) => {
      const schema = await schemaOf(sql)
      if (schema === 0) throw new StoreError('failed', 'there is no database to copy yet: it has no tables')
      migrate(connection, MIGRATIONS.slice(0, schema), clock)
      connection.exec('BEGIN IMMEDIATE')
      await copyTables(postgresSource(sql), sqliteTarget(connection), tableShapes(schema))
      connection.exec('COMMIT')
    })
  } catch (error) {
    throw toStoreError(error, `cannot copy the database to ${path}`)
  } finally {
    file?.close()
  }
}
