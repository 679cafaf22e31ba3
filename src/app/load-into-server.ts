import type { ResolvedConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import { BackupError } from '../recovery/manifest.ts'
import { UnknownCommit } from '../store/postgres/long-transaction.ts'
import { describeAddress } from '../store/postgres/options.ts'
import { StoreError } from '../store/store.ts'
import type { PlannedLoad } from './restore-plan.ts'

/** The database was not loaded, and is as it was. */
export class LoadRefused extends BackupError {}

/**
 * Loads a database that a restore has prepared into the server that the plan names. Doing it twice does no harm.
 *
 * @throws {LoadRefused} when nothing was changed
 * @throws {BackupError} when nobody knows
 */
export async function loadIntoServer(
  file: string,
  { into, lineage, replaces }: PlannedLoad,
  { database }: Pick<ResolvedConfig, 'database'>,
  clock: Clock,
): Promise<void> {
  const name = database.engine === 'postgres' ? describeAddress(database.address) : database.path
  if (database.engine !== 'postgres' || name !== into)
    throw new LoadRefused(
      `the restore is into ${into}, but store.url leads to ${name}; give --set store.url, or --config, as before`,
    )
  const { loadFileIntoPostgres } = await import('../store/copy/file-to-postgres.ts')
  try {
    await loadFileIntoPostgres(file, database, { clock, lineage, replaces })
  } catch (cause) {
    if (cause instanceof UnknownCommit)
      throw new BackupError(`${cause.message}. When it answers again, run: chancery restore --finish`, { cause })
    if (!(cause instanceof StoreError)) throw cause
    throw new LoadRefused(`${into} was not changed: ${cause.message}`, { cause })
  }
}
