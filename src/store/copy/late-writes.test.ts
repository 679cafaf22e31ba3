import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  missingPostgres,
  type PostgresServer,
  startPostgres,
  TEST_SETTINGS,
} from '../../../test/support/postgres-server.ts'
import { auditEvent } from '../../../test/support/records.ts'
import { systemClock as clock } from '../../lib/clock.ts'
import { systemRandom as random } from '../../lib/random.ts'
import { loadDriver } from '../postgres/driver.ts'
import { openPostgresStore } from '../postgres/engine.ts'
import { openSqliteStore } from '../sqlite/engine.ts'
import type { Store } from '../store.ts'
import { moveDatabase } from './move.ts'
import { type MoveEnd, postgresEnd, sqliteEnd } from './move-ends.ts'

const write = (store: Store) => store.audit.append([auditEvent(clock.now(), 'written.by-a-command')])

describe('a command that began before the database was moved', { skip: missingPostgres() ?? false }, () => {
  let server: PostgresServer
  let folder: string
  let files = 0
  before(async () => {
    server = await startPostgres()
    folder = await mkdtemp(join(tmpdir(), 'chancery-late-writes-'))
  })
  after(async () => {
    await server.stop()
    await rm(folder, { recursive: true })
  })

  async function onServer() {
    const address = server.address(await server.createDatabase())
    const options = { address, settings: TEST_SETTINGS, clock }
    const store = await openPostgresStore({ ...options, unlessMoved: true })
    return { address, store, end: postgresEnd(options, 'the server', { clock }) }
  }

  async function inFile() {
    const path = join(folder, `${files++}.db`)
    const store = await openSqliteStore({ path, clock, unlessMoved: true })
    return { store, end: sqliteEnd(path) }
  }

  const use = async (store: Store): Promise<void> => {
    await store.history.beginFirst('first life', clock.now())
    await write(store)
  }
  const move = (from: MoveEnd, to: MoveEnd) => moveDatabase({ from, to, clock, random, voidSecrets: [] })

  test('KF-E08 and writes afterwards is told where the data is now, on either engine', async () => {
    const [large, file] = [await onServer(), await inFile()]
    await use(file.store)
    await move(file.end, large.end)
    await assert.rejects(write(file.store), { code: 'failed', message: /was moved to the server.*set store.url/ })
    await write(large.store)
    const next = await inFile()
    await move(large.end, next.end)
    await assert.rejects(write(large.store), { code: 'failed', message: /was moved to .*set store.url/ })
    await write(next.store)
    for (const { store } of [large, file, next]) await store.close()
    for (const { end } of [file, next]) end.close()
  })

  test('KF-E08 and is at a write while the mark is made is waited for, and noticed', async () => {
    const [large, file] = [await onServer(), await inFile()]
    await use(large.store)
    const driver = await loadDriver(large.address, TEST_SETTINGS)
    const behind = driver.makePool(
      () => {},
      async () => {},
    )
    const command = await behind.connect()
    await command.query('BEGIN; SELECT epoch FROM store_lineages WHERE epoch = 0 FOR SHARE')
    const moving = assert.rejects(move(large.end, file.end), /a command wrote to the server while it was moved/)
    const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
    while ((await behind.query(waits)).rows.length === 0) await clock.sleep(10)
    await command.query(`INSERT INTO audit_events (at, event, data) VALUES (1, 'x', '{}'); COMMIT`)
    command.release()
    await moving
    await write(large.store)
    await behind.end()
    for (const { store } of [large, file]) await store.close()
    file.end.close()
  })
})
