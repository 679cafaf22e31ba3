import { after, before, describe } from 'node:test'
import type { Pool } from 'pg'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { loadDriver } from '../../src/store/postgres/driver.ts'
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/engine.ts'
import { REMEMBERED_BEYOND_MS } from '../../src/store/postgres/nonces.ts'
import { numberParameters } from '../../src/store/postgres/statements.ts'
import type { Store } from '../../src/store/store.ts'
import {
  missingPgBouncer,
  missingPostgres,
  type PgBouncer,
  type PostgresServer,
  startPgBouncer,
  startPostgres,
  TEST_SETTINGS,
} from '../support/postgres-server.ts'
import type { StoreUnderTest } from './store/harness.ts'
import { storeContract } from './store.ts'

let server: PostgresServer
let bouncer: PgBouncer

/** Wall time as the test moves it; pauses between attempts as they are, or they would never end. */
export function wallOf(clock: Clock): Clock {
  return { ...systemClock, now: () => clock.now() }
}

interface Place {
  readonly options: Omit<PostgresStoreOptions, 'clock'>
  /** Connections behind the store's back. */
  readonly behind: Pool
}

async function makePlace(through: 'server' | 'pooler'): Promise<Place> {
  const database = await server.createDatabase()
  const direct = server.address(database)
  const driver = await loadDriver(direct, TEST_SETTINGS)
  return {
    options: {
      address: through === 'server' ? direct : bouncer.address(database),
      // A thousand revocations at once wait for one row, and the machine may be busy with other tests.
      settings: { ...TEST_SETTINGS, acquireTimeout: 60, pooler: through === 'pooler' },
    },
    behind: driver.makePool(
      () => {},
      async () => {},
    ),
  }
}

/** Emptying a database is quicker than making one. */
async function empty({ behind }: Place): Promise<void> {
  const { rows } = await behind.query<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables
     WHERE table_schema = 'public' AND table_name NOT IN ('schema_migrations', 'schema_lock')`,
  )
  const deletes = rows.map(({ name }) => `DELETE FROM ${name};`).join(' ')
  await behind.query(`BEGIN; SET LOCAL session_replication_role = replica; ${deletes} COMMIT`)
}

async function openUnderTest(clock: Clock, place: Place): Promise<StoreUnderTest> {
  const { behind } = place
  const options = { ...place.options, clock: wallOf(clock) }
  const store = await openPostgresStore(options)
  const opened: Store[] = [store]
  return {
    store,
    async execute(statement, ...params) {
      await behind.query(numberParameters(statement), params)
    },
    async refuse(operation, table, only) {
      const when = only === undefined ? '' : `WHEN (NEW.${only.column} = '${only.value}')`
      await behind.query(
        `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'injected'; END $$`,
      )
      await behind.query(
        `CREATE TRIGGER refuse BEFORE ${operation} ON ${table} FOR EACH ROW ${when} EXECUTE FUNCTION refuse()`,
      )
      return async () => {
        await behind.query(`DROP TRIGGER refuse ON ${table}`)
      }
    },
    async reopen() {
      await opened.at(-1)?.close()
      const next = await openPostgresStore(options)
      opened.push(next)
      return next
    },
    async cleanup() {
      for (const one of opened) await one.close()
      await behind.query('DROP FUNCTION IF EXISTS refuse() CASCADE')
      await empty(place)
    },
  }
}

const skip = missingPostgres() ?? false

describe('PostgreSQL', { skip }, () => {
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.stop())

  describe('reached directly', () => {
    let place: Place
    before(async () => {
      place = await makePlace('server')
    })
    after(() => place.behind.end())
    storeContract('PostgreSQL', (clock) => openUnderTest(clock, place), { nonceMarginMs: REMEMBERED_BEYOND_MS })
  })

  describe('behind PgBouncer in transaction mode', { skip: missingPgBouncer() ?? false }, () => {
    let place: Place
    before(async () => {
      bouncer = await startPgBouncer(server)
      place = await makePlace('pooler')
    })
    after(async () => {
      await place.behind.end()
      await bouncer.stop()
    })
    storeContract('PgBouncer', (clock) => openUnderTest(clock, place), { nonceMarginMs: REMEMBERED_BEYOND_MS })
  })
})
