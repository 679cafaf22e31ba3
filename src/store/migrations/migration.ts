import { digest } from '../sql/encoding.ts'

/** The few words in which engines differ when tables are made. */
export interface Dialect {
  /** Type of byte strings. */
  readonly bytes: string
  /** Type of text that sorts by its bytes. */
  readonly text: string
  /** Type and constraint of a key that the engine numbers, rising and never used twice. */
  readonly risingKey: string
  /** What follows a table whose rows are best kept in its primary key. */
  readonly compact: string
}

/**
 * One step of the schema. A step that was released is never edited: its hash is kept in the database, and a
 * program whose step differs refuses to start.
 *
 * Versions N and N+1 must be able to work side by side during an upgrade, so a change is made in two releases: one
 * that expands (new tables, columns with a default, indexes), after which the program before it still works, and a
 * later one that contracts, when no program in use needs the old shape any more.
 */
export interface Migration {
  /** 1, 2, 3 … without gaps. */
  readonly number: number
  readonly name: string
  /**
   * The oldest program that works on the schema after this step, by the number of the newest step it knows. A step
   * that only adds says 1: as old as the other steps allow. Absent: only programs that know the step.
   */
  readonly readableFrom?: number
  statements(dialect: Dialect): readonly string[]
}

/** A migration as the database remembers it. */
export interface AppliedMigration {
  readonly number: number
  readonly hash: string
  /** NULL in a row written before the column existed: such a step was not made for older programs. */
  readonly readableFrom: number | null
}

export const CREATE_MIGRATIONS_TABLE = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    number INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    readable_from INTEGER
  )`

/** For a table made before there was the column. */
export const ADD_READABLE_FROM = 'ALTER TABLE schema_migrations ADD COLUMN readable_from INTEGER'

export const LIST_APPLIED = 'SELECT number, hash, readable_from FROM schema_migrations ORDER BY number'

export const RECORD_APPLIED = `
  INSERT INTO schema_migrations (number, name, hash, applied_at, readable_from) VALUES (?, ?, ?, ?, ?)`

/** What RECORD_APPLIED is given. */
export function appliedParams(migration: Migration, dialect: Dialect, now: Date): (string | number)[] {
  const readableFrom = migration.readableFrom ?? migration.number
  return [migration.number, migration.name, migrationHash(migration, dialect), now.getTime(), readableFrom]
}

export function migrationHash(migration: Migration, dialect: Dialect): string {
  return digest(Buffer.from([migration.name, ...migration.statements(dialect)].join('\n;\n')))
}

/**
 * What is left to apply.
 *
 * @param applied in the order of their numbers
 * @returns the missing migrations, or a sentence why this program must not touch this database (KF-E16)
 */
export function planMigrations(
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
  dialect: Dialect,
): { readonly missing: readonly Migration[] } | { readonly refusal: string } {
  const refusal = tooNew(known.length, applied)
  if (refusal !== undefined) return { refusal }
  for (const [index, step] of applied.entries()) {
    if (index >= known.length) break
    const migration = known[index]
    if (migration?.number !== step.number || migrationHash(migration, dialect) !== step.hash) {
      return {
        refusal:
          `schema step ${step.number} of the database is not the one this program was released with. ` +
          'Run the version that made the database',
      }
    }
  }
  return { missing: known.slice(applied.length) }
}

/**
 * Why a program that knows the steps up to `known` cannot work with what was applied since; undefined when every step
 * that it does not know was made so that it can.
 */
export function tooNew(
  known: number,
  applied: readonly Pick<AppliedMigration, 'number' | 'readableFrom'>[],
): string | undefined {
  const breaking = applied.find(({ number, readableFrom }) => number > known && (readableFrom ?? number) > known)
  if (breaking === undefined) return undefined
  const newest = applied.at(-1)?.number ?? breaking.number
  return (
    `the database has schema ${newest}, but this program knows only up to ${known}, and cannot work with step ` +
    `${breaking.number}: it was upgraded by a newer Chancery. Run that version, or restore the backup made before the upgrade`
  )
}
