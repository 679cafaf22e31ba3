import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../lib/clock.ts'
import { MIGRATIONS } from '../migrations/index.ts'
import { postgresTarget, schemaOf } from '../postgres/copy-ends.ts'
import { sqlState } from '../postgres/errors.ts'
import { liveInstances } from '../postgres/instances.ts'
import { inLongTransaction, type PostgresPlace } from '../postgres/long-transaction.ts'
import type { Reads, Sql } from '../sql/database.ts'
import { newestMark, readLineages } from '../sql/history.ts'
import { connectSqlite } from '../sqlite/connection.ts'
import { sqliteSource } from '../sqlite/copy-ends.ts'
import { StoreError } from '../store.ts'
import { clearTables, copyTables, type TableDigest } from './copy-rows.ts'
import { type TableShape, tableShapes } from './table-shapes.ts'
import { WRITTEN_BY_CHECKS } from './tables.ts'

/** What a database holds, as far as one must know who is to replace it. */
export interface Occupant {
  /** The newest audit event; id 0 when there is none. */
  readonly newest: { readonly id: number; readonly fingerprint: string }
  /** Ids of the issuing CAs that it has CRLs of. */
  readonly issuers: readonly string[]
}

const ISSUERS = 'SELECT issuer_id FROM crl_state ORDER BY issuer_id'

// Changes nothing, and yet no server can say at the same time that it is alive: its heartbeat reads these rows, and we
// read those of the heartbeats, and both are serializable.
const KEEP_SERVERS_OUT = 'UPDATE schema_migrations SET applied_at = applied_at'

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

/** To be called first in a serializable transaction, which then fails at its end if a server started meanwhile. */
async function keepServersOut(sql: Sql, clock: Clock): Promise<void> {
  await sql.run(KEEP_SERVERS_OUT)
  const running = await liveInstances(sql, clock.now())
  if (running.length > 0)
    throw new StoreError('busy', `servers work on this database: ${running.map(({ name }) => name).join(', ')}`)
}

async function occupantOf(sql: Reads, shapes: readonly TableShape[]): Promise<Occupant | undefined> {
  for (const { name } of shapes) {
    if (WRITTEN_BY_CHECKS.has(name)) continue
    if ((await sql.get(`SELECT 1 AS found FROM ${name} LIMIT 1`)) === undefined) continue
    const newest = await newestMark(sql)
    return {
      newest: { id: newest?.id ?? 0, fingerprint: newest?.fingerprint ?? '' },
      issuers: (await sql.all<{ issuer_id: string }>(ISSUERS)).map((row) => row.issuer_id),
    }
  }
  return undefined
}
