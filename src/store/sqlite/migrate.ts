import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../lib/clock.ts'
import {
  ADD_READABLE_FROM,
  type AppliedMigration,
  appliedParams,
  CREATE_MIGRATIONS_TABLE,
  type Dialect,
  LIST_APPLIED,
  type Migration,
  planMigrations,
  RECORD_APPLIED,
} from '../migrations/migration.ts'
import { StoreError } from '../store.ts'

export const SQLITE_DIALECT: Dialect = {
  bytes: 'BLOB',
  text: 'TEXT',
  risingKey: 'INTEGER PRIMARY KEY AUTOINCREMENT',
  compact: 'WITHOUT ROWID',
}

/** @throws {StoreError} `schema` when the database is not one that this program may touch (KF-E16) */
export function missingMigrations(connection: DatabaseSync, known: readonly Migration[]): readonly Migration[] {
  const plan = planMigrations(known, applied(connection), SQLITE_DIALECT)
  if ('refusal' in plan) throw new StoreError('schema', plan.refusal)
  return plan.missing
}

/** Applies what is missing, each step in one transaction, so that a crash leaves the schema before or after it. */
export function migrate(connection: DatabaseSync, known: readonly Migration[], clock: Pick<Clock, 'now'>): void {
  const missing = missingMigrations(connection, known)
  if (missing.length === 0) return
  connection.exec(CREATE_MIGRATIONS_TABLE)
  if (!hasReadableFrom(connection)) connection.exec(ADD_READABLE_FROM)
  for (const migration of missing) {
    connection.exec('BEGIN IMMEDIATE')
    try {
      for (const statement of migration.statements(SQLITE_DIALECT)) connection.exec(statement)
      connection.prepare(RECORD_APPLIED).run(...appliedParams(migration, SQLITE_DIALECT, clock.now()))
      connection.exec('COMMIT')
    } catch (cause) {
      if (connection.isTransaction) connection.exec('ROLLBACK')
      const step = `${migration.number} (${migration.name})`
      throw new StoreError('schema', `schema step ${step} failed and was undone; the database is as before`, { cause })
    }
  }
}

function applied(connection: DatabaseSync): AppliedMigration[] {
  const known = connection.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'`).get()
  if (known === undefined) return []
  const list = hasReadableFrom(connection)
    ? LIST_APPLIED
    : LIST_APPLIED.replace('readable_from', 'NULL AS readable_from')
  return connection
    .prepare(list)
    .all()
    .map((row) => ({
      number: Number(row['number']),
      hash: String(row['hash']),
      readableFrom: row['readable_from'] === null ? null : Number(row['readable_from']),
    }))
}

function hasReadableFrom(connection: DatabaseSync): boolean {
  const found = connection
    .prepare(`SELECT 1 FROM pragma_table_info('schema_migrations') WHERE name = 'readable_from'`)
    .get()
  return found !== undefined
}
