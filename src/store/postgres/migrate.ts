import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observe/log.ts'
import {
  type AppliedMigration,
  appliedParams,
  CREATE_MIGRATIONS_TABLE,
  type Dialect,
  LIST_APPLIED,
  type Migration,
  planMigrations,
  RECORD_APPLIED,
} from '../migrations/migration.ts'
import type { Reads, Sql } from '../sql/database.ts'
import { StoreError } from '../store.ts'
import { sqlState } from './errors.ts'
import { CREATE_INSTANCES_TABLE, liveInstances } from './instances.ts'
import type { Transactions } from './transactions.ts'

export const POSTGRES_DIALECT: Dialect = {
  bytes: 'BYTEA',
  text: 'TEXT COLLATE "C"',
  risingKey: 'BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
  compact: '',
}

const IS_TABLE_THERE = `
  SELECT 1 AS found FROM information_schema.tables
  WHERE table_schema = current_schema() AND table_name = 'schema_lock'`

// One row that whoever changes the schema locks: a row lock works through a pooler and on distributed engines.
const CREATE_LOCK_TABLE = `
  CREATE TABLE IF NOT EXISTS schema_lock (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), changed_at BIGINT NOT NULL)`

const MAKE_ATTEMPTS = 10

const SHORT_LOCKS = "SELECT set_config('lock_timeout', '5000', true) AS set"

// Makes the row as well: a process may have ended right after it made the table, and then nothing would be locked.
const LOCK = `
  INSERT INTO schema_lock (id, changed_at) VALUES (1, ?)
  ON CONFLICT (id) DO UPDATE SET changed_at = excluded.changed_at`

/**
 * Brings the schema up to date: each step in one transaction, one process at a time, however many start together. A
 * step that an older program could not live with waits until none is alive.
 *
 * @throws {StoreError} `schema` when the database is not one that this program may touch, a step failed, or an older
 *   program is still running (KF-E16)
 */
export async function migrate(
  database: Transactions,
  known: readonly Migration[],
  { clock, log }: { readonly clock: Clock; readonly log: Logger | undefined },
): Promise<void> {
  await prepareTables(database)
  let missing = await missingMigrations(database, known)
  while (missing.length > 0) {
    const [step] = missing
    try {
      const applied = await database.write((sql) => applyNext(sql, known, clock.now()), 'SERIALIZABLE')
      if (applied !== undefined) log?.info('store.migrated', { step: applied.number, name: applied.name })
    } catch (error) {
      // Each step of another process fails ours, and where many start together more often than a write is repeated.
      // As long as the steps become fewer somebody gets on, and nobody's start has failed.
      const left = wasBeaten(error) ? await missingMigrations(database, known) : missing
      if (left.length === missing.length) throw explain(error, step)
    }
    missing = await missingMigrations(database, known)
  }
}

function wasBeaten(error: unknown): boolean {
  return error instanceof StoreError && sqlState(error.cause) === '40001'
}

async function prepareTables(database: Transactions): Promise<void> {
  if ((await database.get(IS_TABLE_THERE)) !== undefined) return
  // In one transaction each, and repeated when another process was faster: IF NOT EXISTS does not see what is uncommitted.
  for (const statement of [CREATE_MIGRATIONS_TABLE, CREATE_INSTANCES_TABLE, CREATE_LOCK_TABLE])
    await makeOnce(database, statement)
}

async function makeOnce(database: Transactions, statement: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await database.write((sql) => sql.run(statement))
      return
    } catch (error) {
      const raced = error instanceof StoreError && /^(42P07|42710|23505)$/.test(sqlState(error.cause) ?? '')
      if (!raced || attempt === MAKE_ATTEMPTS) throw error
    }
  }
}

async function missingMigrations(sql: Reads, known: readonly Migration[]): Promise<readonly Migration[]> {
  const plan = planMigrations(known, await listApplied(sql), POSTGRES_DIALECT)
  if ('refusal' in plan) throw new StoreError('schema', plan.refusal)
  return plan.missing
}

/** @returns the step applied now; undefined when another process has applied it meanwhile */
async function applyNext(sql: Sql, known: readonly Migration[], now: Date): Promise<Migration | undefined> {
  await sql.run(LOCK, now.getTime())
  // Whoever waits for a table makes everybody behind it wait too; better that the step fails and is tried later.
  await sql.get(SHORT_LOCKS)
  const [migration] = await missingMigrations(sql, known)
  if (migration === undefined) return undefined
  await refuseUnderOlder(sql, migration, now)
  for (const statement of migration.statements(POSTGRES_DIALECT)) await sql.run(statement)
  await sql.run(RECORD_APPLIED, ...appliedParams(migration, POSTGRES_DIALECT, now))
  return migration
}

function explain(error: unknown, step: Migration | undefined): unknown {
  if (!(error instanceof StoreError) || error.code === 'schema') return error
  const what = `schema step ${step?.number} (${step?.name}) failed and was undone; the database is as before`
  const code = error.code === 'busy' ? 'busy' : 'schema'
  return new StoreError(code, `${what}: ${error.message}`, { cause: error })
}

async function refuseUnderOlder(sql: Sql, migration: Migration, now: Date): Promise<void> {
  const needed = migration.readableFrom ?? migration.number
  const older = (await liveInstances(sql, now)).filter(({ schema }) => schema < needed)
  if (older.length === 0) return
  const who = older.map(({ name, schema, seenAt }) => `${name} (schema ${schema}, seen ${seenAt.toISOString()})`)
  throw new StoreError(
    'schema',
    `schema step ${migration.number} (${migration.name}) would break an older Chancery that is still running: ` +
      `${who.join(', ')}. Upgrade or stop it first; one that was killed is forgotten after two minutes`,
  )
}

async function listApplied(sql: Reads): Promise<AppliedMigration[]> {
  const rows = await sql.all<{ number: number; hash: string; readable_from: number | null }>(LIST_APPLIED)
  return rows.map(({ number, hash, readable_from }) => ({ number, hash, readableFrom: readable_from }))
}
