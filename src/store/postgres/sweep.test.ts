import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Pool } from 'pg'
import {
  missingPostgres,
  type PostgresServer,
  startPostgres,
  TEST_SETTINGS,
} from '../../../test/support/postgres-server.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Store } from '../store.ts'
import { loadDriver } from './driver.ts'
import { openPostgresStore } from './engine.ts'

const clock = systemClock
const DAY_S = 86_400
const POLICY = {
  finalOrdersSeconds: DAY_S,
  expiredCertificatesSeconds: DAY_S,
  unusedAccountsSeconds: DAY_S,
  spentEabKeysSeconds: DAY_S,
  auditSeconds: DAY_S,
  decisionsSeconds: DAY_S,
}
const PAST = 1_000
const AHEAD = clock.now().getTime() + 3_600_000

/** Rows whose time is over, and how somebody makes them count again. */
const RENEWED: readonly { readonly table: string; readonly rows: string; readonly renew: string }[] = [
  {
    table: 'rate_limits',
    rows: `INSERT INTO rate_limits (key, tat, previous_tat, expires_at) VALUES ('a', 1, 0, ${PAST})`,
    renew: `UPDATE rate_limits SET tat = 2, expires_at = ${AHEAD}`,
  },
  {
    table: 'issued_name_sets',
    rows: `INSERT INTO issued_name_sets (key, tat, renewable_until) VALUES ('a', 1, ${PAST})`,
    renew: `UPDATE issued_name_sets SET renewable_until = ${AHEAD}`,
  },
  {
    table: 'name_failures',
    rows: `INSERT INTO name_failures (key, directory, account_id, identifier_type, identifier_value, failures, last_failed_at,
      paused_until, expires_at) VALUES ('a', 'default', 'acct', 'dns', 'a.test', 3, 1, 0, ${PAST})`,
    renew: `UPDATE name_failures SET failures = 4, paused_until = ${AHEAD}, expires_at = ${AHEAD}`,
  },
  {
    table: 'policy_versions',
    rows: `INSERT INTO policy_versions (version, loaded_at, last_loaded_at, author, text)
      VALUES ('old', 1, ${PAST}, '', 'x'), ('new', 2, ${PAST + 1}, '', 'y')`,
    renew: `UPDATE policy_versions SET last_loaded_at = ${AHEAD} WHERE version = 'old'`,
  },
]

describe('a sweep on PostgreSQL beside others who write', { skip: missingPostgres() ?? false }, () => {
  let server: PostgresServer
  let store: Store
  let behind: Pool
  before(async () => {
    server = await startPostgres()
    const address = server.address(await server.createDatabase())
    store = await openPostgresStore({ address, settings: TEST_SETTINGS, clock })
    const driver = await loadDriver(address, TEST_SETTINGS)
    behind = driver.makePool(
      () => {},
      async () => {},
    )
  })
  after(async () => {
    await behind.end()
    await store.close()
    await server.stop()
  })

  for (const { table, rows, renew } of RENEWED) {
    test(`a row of ${table} that is renewed while the sweep waits for it stays`, async () => {
      await behind.query(rows)
      const before = (await store.retention.counts())[table]
      const other = await behind.connect()
      await other.query('BEGIN')
      await other.query(renew)
      const sweep = store.retention.sweep(POLICY, { now: clock.now(), batch: 100 })
      const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
      while ((await behind.query(waits)).rows.length === 0) await clock.sleep(10)
      await other.query('COMMIT')
      other.release()
      await sweep
      assert.equal((await store.retention.counts())[table], before)
    })
  }
})
