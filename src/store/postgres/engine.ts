import type { Clock } from '../../lib/clock.ts'
import { type Random, systemRandom } from '../../lib/random.ts'
import type { Logger } from '../../observe/log.ts'
import type { Metrics } from '../../observe/metrics.ts'
import { MIGRATIONS } from '../migrations/index.ts'
import type { Migration } from '../migrations/migration.ts'
import { createSqlStore } from '../sql/store.ts'
import { type Store, StoreError } from '../store.ts'
import { Connections } from './connections.ts'
import { loadDriver } from './driver.ts'
import { createInstanceStore } from './instances.ts'
import { localTimeouts } from './local-timeouts.ts'
import { migrate } from './migrate.ts'
import { createBatchedNonceStore } from './nonces.ts'
import { describeAddress, type PostgresAddress, type PostgresSettings } from './options.ts'
import { checkServer } from './server-checks.ts'
import { Transactions } from './transactions.ts'

export interface PostgresStoreOptions {
  readonly address: PostgresAddress
  readonly settings: PostgresSettings
  readonly clock: Clock
  readonly random?: Random
  readonly log?: Logger
  readonly metrics?: Metrics
  /** True for a server, which then stands in the table of instances; false, the default, for tools. */
  readonly serves?: boolean
  /** For commands: a write is refused once the database was moved away. */
  readonly unlessMoved?: boolean | undefined
  /** Replaced in tests only: which schema this program knows. */
  readonly migrations?: readonly Migration[]
}

/** A step may rewrite a large table, or wait for another process that does. */
const MIGRATING = { poolSize: 1, statementTimeout: 1_800, lockTimeout: 1_800, prepare: false } as const

/**
 * Opens the store on a PostgreSQL server, bringing its schema up to date. Any number of processes may have it open.
 *
 * @throws {StoreError} `busy` when the server cannot be reached, `schema` when the database is of a newer program or
 *   older ones that run stand in the way of a step, `failed` when the server would not keep what is committed
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { address, settings, clock, random = systemRandom, log, metrics, migrations = MIGRATIONS } = options
  const open = async (how: PostgresSettings): Promise<Transactions> => {
    const connections = new Connections(await loadDriver(address, how), {
      settings: how,
      clock,
      log,
      metrics,
      verify: checkServer,
    })
    const local = how.pooler ? localTimeouts(how) : []
    return new Transactions(connections, { clock, random, log, metrics, local })
  }
  const id = random.bytes(12).toString('base64url')
  const database = await open(settings)
  const instances = createInstanceStore(database, { id, clock, knownSchema: migrations.length })
  try {
    const migrator = await open({ ...settings, ...MIGRATING })
    await migrate(migrator, migrations, { clock, log }).finally(() => migrator.close())
    if (options.serves) {
      const problem = await instances.beat()
      if (problem !== undefined) throw new StoreError('schema', problem)
    }
  } catch (error) {
    await database.close()
    if (!(error instanceof StoreError)) throw error
    throw new StoreError(error.code, `${describeAddress(address)}: ${error.message}`, { cause: error })
  }
  const nonces = createBatchedNonceStore(database)
  const store = createSqlStore(database, { clock, log, nonces, instances, unlessMoved: options.unlessMoved })
  return {
    ...store,
    async close() {
      // Gone cleanly, so that nobody waits for our row to grow old.
      await nonces.close()
      if (options.serves) await instances.leave().catch((error: unknown) => log?.warn('store.not_left', { error }))
      await store.close()
    },
  }
}
