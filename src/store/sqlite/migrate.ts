import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../lib/clock.ts'
import {
  type AppliedMigration,
  CREATE_MIGRATIONS_TABLE,
  type Dialect,
  type Migration,
  migrationHash,
  planMigrations,
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
export function migrate(connection: DatabaseSync, known: readonly Migration[], clock: Clock): void {
  const missing = missingMigrations(connection, known)
  if (missing.length === 0) return
  connection.exec(CREATE_MIGRATIONS_TABLE)
  for (const migration of missing) {
    connection.exec('BEGIN IMMEDIATE')
    try {
      for (const statement of migration.statements(SQLITE_DIALECT)) connection.exec(statement)
      connection
        .prepare('INSERT INTO schema_migrations (number, name, hash, applied_at) VALUES (?, ?, ?, ?)')
        .run(migration.number, migration.name, migrationHash(migration, SQLITE_DIALECT), clock.now().getTime())
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
  const rows = connection.prepare('SELECT number, hash FROM schema_migrations ORDER BY number').all()
  return rows.map((row) => ({ number: Number(row['number']), hash: String(row['hash']) }))
}
