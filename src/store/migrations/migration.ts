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
 * program whose step differs refuses to start. The code of a release must run on the schema before and after.
 */
export interface Migration {
  /** 1, 2, 3 … without gaps. */
  readonly number: number
  readonly name: string
  statements(dialect: Dialect): readonly string[]
}

/** A migration as the database remembers it. */
export interface AppliedMigration {
  readonly number: number
  readonly hash: string
}

export const CREATE_MIGRATIONS_TABLE = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    number INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    applied_at BIGINT NOT NULL
  )`

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
  const newest = applied.at(-1)
  if (newest !== undefined && newest.number > known.length) {
    return {
      refusal:
        `the database has schema ${newest.number}, but this program knows only up to ${known.length}: ` +
        'it was upgraded by a newer Chancery. Run that version, or restore the backup made before the upgrade',
    }
  }
  for (const [index, step] of applied.entries()) {
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
