import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TEST_SETTINGS } from '../../../test/support/postgres-server.ts'
import { describeOnPostgres } from '../../../test/support/postgres-suite.ts'
import { systemClock } from '../../lib/clock.ts'
import { CREATE_MIGRATIONS_TABLE } from '../migrations/migration.ts'
import { openPostgresStore } from './engine.ts'
import { CREATE_INSTANCES_TABLE } from './instances.ts'

const clock = systemClock

describeOnPostgres('the first start on PostgreSQL', (suite) => {
  test('KF-E16 after one that was cut short between its tables, servers that start at once still wait for each other', async () => {
    const database = await suite.server.createDatabase()
    // As far as a process came that made the table of the lock, and no row in it.
    for (const statement of [
      CREATE_MIGRATIONS_TABLE,
      CREATE_INSTANCES_TABLE,
      'CREATE TABLE schema_lock (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), changed_at BIGINT NOT NULL)',
    ])
      await suite.server.sql(database, `SET client_min_messages = error; ${statement}`)
    const options = { address: suite.server.address(database), settings: TEST_SETTINGS, clock }
    const starts = await Promise.allSettled(Array.from({ length: 8 }, () => openPostgresStore(options)))
    for (const start of starts) if (start.status === 'fulfilled') suite.opened.push(start.value)
    assert.deepEqual(
      starts.filter(({ status }) => status === 'rejected'),
      [],
    )
  })
})
