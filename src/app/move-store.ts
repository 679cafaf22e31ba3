import type { DatabaseConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { BackupError } from '../recovery/manifest.ts'
import { VOID_SECRETS } from '../recovery/recover.ts'
import { type Moved, moveDatabase } from '../store/copy/move.ts'
import { type MoveEnd, postgresEnd, sqliteEnd } from '../store/copy/move-ends.ts'
import { exists } from './home.ts'
import { mustBeAlone } from './must-be-alone.ts'
import { databaseName, openStore } from './open-store.ts'

export interface MoveStoreOptions {
  readonly from: DatabaseConfig
  readonly to: DatabaseConfig
  readonly clock: Clock
  readonly random: Random
}

/**
 * Moves the database to another place, of either engine, while no server is at work. Nothing is used twice: only one of
 * the two can be served at any time. A call that was cut short is made again.
 *
 * @throws {BackupError | StoreError} saying what stands in the way
 */
export async function moveStore(options: MoveStoreOptions): Promise<Moved> {
  const { from, to, clock, random } = options
  if (databaseName(from) === databaseName(to))
    throw new BackupError(`${databaseName(to)} is where the database is already; name another place`)
  if (from.engine === 'sqlite' && !(await exists(from.path)))
    throw new BackupError(`${from.path}: there is no database to move`)
  const source = await openEnd(from, options)
  try {
    const target = await openEnd(to, options)
    try {
      return await moveDatabase({ from: source, to: target, clock, random, voidSecrets: VOID_SECRETS })
    } finally {
      target.close()
    }
  } finally {
    source.close()
  }
}

/** Brings the schema up to date, making the tables where there are none. */
async function openEnd(database: DatabaseConfig, { clock, random }: MoveStoreOptions): Promise<MoveEnd> {
  const store = await openStore(database, { clock, random })
  await mustBeAlone(store).finally(() => store.close())
  return database.engine === 'sqlite'
    ? sqliteEnd(database.path)
    : postgresEnd(database, databaseName(database), { clock })
}
