import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../lib/clock.ts'
import { MIGRATIONS } from '../migrations/index.ts'
import { postgresTarget, schemaOf } from '../postgres/copy-ends.ts'
import { sqlState } from '../postgres/errors.ts'
import { keepServersOut } from '../postgres/keep-servers-out.ts'
import { inLongTransaction, type PostgresPlace } from '../postgres/long-transaction.ts'
import { readLineages } from '../sql/history.ts'
import { connectSqlite } from '../sqlite/connection.ts'
import { sqliteSource } from '../sqlite/copy-ends.ts'
import { StoreError } from '../store.ts'
import { clearTables, copyTables, type TableDigest } from './copy-rows.ts'
import { type Occupant, occupantOf } from './occupant.ts'
import { tableShapes } from './table-shapes.ts'

/** The newest lineage of a database in a file; empty when it has none. */
export function newestLineage(path: string): string {
  const file = connectSqlite(path, { readOnly: true })
  try {
    const newest = file.prepare('SELECT lineage FROM store_lineages ORDER BY epoch DESC LIMIT 1').get()
    return String(newest?.['lineage'] ?? '')
  } finally {
    file.close()
  }
}

/** Undefined when no row was ever written there but by `chancery check`. */
export async function findOccupant(to: PostgresPlace, deps: { readonly clock: Clock }): Promise<Occupant | undefined> {
  return inLongTransaction(to, 'REPEATABLE READ READ ONLY', deps, async (sql) => {
    const schema = await schemaOf(sql)
    return schema === 0 ? undefined : occupantOf(sql, tableShapes(schema))
  })
}

/**
 * Puts all rows of a SQLite file in the place of all rows of a database on a server, which must be of this program's
 * schema: in one transaction, so that a crash leaves the one or the other.
 *
 * @param options.replaces what was there when it was decided; undefined: nothing
 * @param options.lineage the newest lineage of the file; a database that has it already was loaded before, and stays
 * @throws {UnknownCommit} when it may have been done; any other {StoreError}: nothing was
 */
export async function loadFileIntoPostgres(
  path: string,
  to: PostgresPlace,
  options: {
    readonly clock: Clock
    readonly lineage: string
    readonly replaces: Occupant['newest'] | undefined
  },
): Promise<readonly TableDigest[]> {
  const { clock, lineage, replaces } = options
  let file: DatabaseSync | undefined
  try {
    const connection = connectSqlite(path, { readOnly: true })
    file = connection
    return await inLongTransaction(to, 'SERIALIZABLE', { clock }, async (sql) => {
      await keepServersOut(sql, clock)
      if ((await schemaOf(sql)) !== MIGRATIONS.length)
        throw new StoreError('schema', 'the schema of the database was changed meanwhile; begin again')
      if ((await readLineages(sql)).at(-1)?.lineage === lineage) return []
      const shapes = tableShapes(MIGRATIONS.length)
      const found = (await occupantOf(sql, shapes))?.newest
      if (found?.id !== replaces?.id || found?.fingerprint !== replaces?.fingerprint)
        throw new StoreError(
          'busy',
          'the database was written to since it was looked at, and what was written would be lost; begin again',
        )
      await clearTables(sql, shapes)
      await sql.run('DELETE FROM nonces')
      return copyTables(sqliteSource(connection), postgresTarget(sql), shapes)
    })
  } catch (error) {
    if (error instanceof StoreError && sqlState(error.cause) === '40001')
      throw new StoreError('busy', `a server started on the database meanwhile; stop it and begin again`, {
        cause: error,
      })
    throw error
  } finally {
    file?.close()
  }
}
