import type { ResolvedConfig } from '../config/read.ts'
import { BackupError } from '../recovery/manifest.ts'

/**
 * The file of the database, for what is done to files.
 *
 * @throws {BackupError} when the database is on a server
 */
export function sqlitePath({ database }: Pick<ResolvedConfig, 'database'>): string {
  if (database.engine === 'sqlite') return database.path
  throw new BackupError(
    'the database is on PostgreSQL, which is backed up and restored with its own tools; see docs/postgresql.md',
  )
}
