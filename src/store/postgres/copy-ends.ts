import type { CopySource, CopyTarget } from '../copy/copy-rows.ts'
import type { TableShape } from '../copy/table-shapes.ts'
import { MIGRATIONS } from '../migrations/index.ts'
import { LIST_APPLIED, planMigrations } from '../migrations/migration.ts'
import type { Reads, Sql } from '../sql/database.ts'
import { StoreError } from '../store.ts'
import { POSTGRES_DIALECT } from './migrate.ts'

const HAS_SCHEMA = `
  SELECT 1 AS found FROM information_schema.tables
  WHERE table_schema = current_schema() AND table_name = 'schema_migrations'`

interface AppliedRow {
  readonly number: number
  readonly hash: string
  readonly readable_from: number | null
}

/**
 * The number of the newest schema step of a database; 0 when there are no tables yet. Changes nothing.
 *
 * @throws {StoreError} `schema` when it is of a newer program, even one that this program could serve beside: its
 *   tables have columns of which this program does not know
 */
export async function schemaOf(sql: Reads): Promise<number> {
  if ((await sql.get(HAS_SCHEMA)) === undefined) return 0
  const applied = (await sql.all<AppliedRow>(LIST_APPLIED)).map(({ number, hash, readable_from }) => ({
    number,
    hash,
    readableFrom: readable_from,
  }))
  const plan = planMigrations(MIGRATIONS, applied, POSTGRES_DIALECT)
  if ('refusal' in plan) throw new StoreError('schema', plan.refusal)
  if (applied.length > MIGRATIONS.length)
    throw new StoreError(
      'schema',
      `the database has schema ${applied.length}, of which this program knows only ${MIGRATIONS.length}; use the newer Chancery`,
    )
  return applied.length
}

export function postgresSource(sql: Reads): CopySource {
  return {
    get: (text, ...params) => sql.get(text, ...params),
    all: (text, ...params) => sql.all(text, ...params),
    async lastNumber({ name, numbered }) {
      const last = `pg_sequence_last_value(CAST(pg_get_serial_sequence('${name}', '${numbered}') AS regclass))`
      return (await sql.get<{ last: number | null }>(`SELECT ${last} AS last`))?.last ?? 0
    },
  }
}

export function postgresTarget(sql: Sql): CopyTarget {
  return {
    ...postgresSource(sql),
    run: (text, ...params) => sql.run(text, ...params),
    ownNumbers: ' OVERRIDING SYSTEM VALUE',
    keepsNul: false,
    async goOnAfter({ name, numbered }: TableShape, last) {
      const newest = await sql.get<{ newest: number | null }>(`SELECT MAX(${numbered}) AS newest FROM ${name}`)
      const next = Math.max(last, newest?.newest ?? 0) + 1
      await sql.run(`ALTER TABLE ${name} ALTER COLUMN ${numbered} RESTART WITH ${next}`)
    },
  }
}
