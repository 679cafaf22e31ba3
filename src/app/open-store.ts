import type { DatabaseConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import { describeAddress } from '../store/postgres/options.ts'
import { openSqliteStore } from '../store/sqlite/engine.ts'
import type { Store } from '../store/store.ts'

export interface OpenStoreOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log?: Logger
  readonly metrics?: Metrics
  /** True for a server: alone on a SQLite file, one of those that are listed on PostgreSQL. */
  readonly serves?: boolean
  /** For commands: a write is refused once the database was moved away. */
  readonly unlessMoved?: boolean
}

/**
 * Opens the database that the configuration names.
 *
 * @throws {StoreError}
 */
export async function openStore(database: DatabaseConfig, options: OpenStoreOptions): Promise<Store> {
  const { serves = false, ...common } = options
  switch (database.engine) {
    case 'sqlite':
      return openSqliteStore({ path: database.path, exclusive: serves, ...common })
    case 'postgres': {
      // Who keeps to SQLite need not load the driver.
      const { openPostgresStore } = await import('../store/postgres/engine.ts')
      const { address, settings } = database
      return openPostgresStore({ address, settings, serves, ...common })
    }
    default:
      return database satisfies never
  }
}

/** How messages name the database. */
export function databaseName(database: DatabaseConfig): string {
  return database.engine === 'sqlite' ? database.path : describeAddress(database.address)
}
