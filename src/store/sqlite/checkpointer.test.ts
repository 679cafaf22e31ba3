import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { faultyConnections, IOERR_FSYNC, sqliteError } from '../../../test/support/faulty-database.ts'
import { auditEvent } from '../../../test/support/records.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Store } from '../store.ts'
import { type CheckpointThread, ThreadLost } from './checkpointer.ts'
import { openSqliteStore, type SqliteStoreOptions } from './engine.ts'

const MIB = 2 ** 20
const now = systemClock.now()

async function open(
  t: TestContext,
  options: Partial<SqliteStoreOptions> = {},
): Promise<{ store: Store; path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-checkpoint-'))
  const path = join(folder, 'chancery.db')
  const store = await openSqliteStore({ path, clock: new FakeClock(), exclusive: true, ...options })
  t.after(async () => {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  })
  return { store, path }
}

/** Commits one by one, each of about 25 pages, until the log was copied some times over. */
async function writeMuch(store: Store, commits = 400): Promise<void> {
  const event = auditEvent(now, 'x', { requestId: 'r', data: { text: 'x'.repeat(100_000) } })
  for (let i = 0; i < commits; i++) await store.audit.append([event])
}

test('the write-ahead log stays short while writing never stops, by a thread of its own', async (t) => {
  const { store, path } = await open(t)
  let stopped = false
  const busy = (async () => {
    while (!stopped) await store.audit.append([auditEvent(now, 'small', { requestId: 'small' })])
  })()
  await writeMuch(store, 900)
  stopped = true
  await busy
  const { size } = await stat(`${path}-wal`)
  assert.ok((await stat(path)).size > 50 * MIB, 'what was written is in the database')
  assert.ok(size <= 60 * MIB, `the log has ${size} bytes`)
  assert.equal((await store.audit.findByReference('r', 10_000)).length, 900)
})

test('the thread is started when there is something to copy, and ends with the store', async (t) => {
  const calls: string[] = []
  const thread: CheckpointThread = {
    copy: async () => void calls.push('copy'),
    close: async () => void calls.push('close'),
  }
  let started = 0
  const { store } = await open(t, {
    checkpoints: () => {
      started += 1
      return thread
    },
  })
  await store.audit.append([auditEvent(now, 'x')])
  assert.equal(started, 0)
  await writeMuch(store, 200)
  assert.equal(started, 1)
  await store.close()
  assert.deepEqual(calls.slice(0, 3), ['copy', 'copy', 'copy'])
  assert.equal(calls.at(-1), 'close')
})

test('writes wait for the last pages to be copied, but not for ever', async (t) => {
  const clock = new FakeClock()
  let copies = 0
  const never = new Promise<void>(() => {})
  const { store } = await open(t, {
    clock,
    checkpoints: () => ({ copy: () => (++copies === 3 ? never : Promise.resolve()), close: async () => {} }),
  })
  let done = false
  const writing = writeMuch(store).then(() => {
    done = true
  })
  while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(done, false, 'writing waits')
  await clock.advance(250)
  await writing
  const closing = store.close()
  while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(5_000)
  await closing
})

test('where the thread dies, the log is copied between two commits', async (t) => {
  const { store, path } = await open(t, {
    checkpoints: () => ({ copy: () => Promise.reject(new ThreadLost('killed')), close: async () => {} }),
  })
  await writeMuch(store)
  assert.ok((await stat(path)).size > 15 * MIB)
  assert.ok((await stat(`${path}-wal`)).size < 30 * MIB)
})

test('a tool beside the server copies the log it wrote, without a thread', async (t) => {
  const { store, path } = await open(t, { exclusive: false, checkpoints: () => assert.fail('a tool starts no thread') })
  await writeMuch(store)
  assert.ok((await stat(path)).size > 15 * MIB)
})

test('KF-E03 a disk that refuses the copy ends all writing, because nobody can tell what of it arrived', async (t) => {
  const copy = () => Promise.reject(sqliteError(IOERR_FSYNC))
  const { store } = await open(t, { checkpoints: () => ({ copy, close: async () => {} }) })
  await assert.rejects(writeMuch(store), { code: 'full', message: /no more writes until restart/ })
  await assert.rejects(store.ping(), { code: 'full' })
  assert.ok((await store.audit.findByReference('r', 10)).length > 0, 'reads go on')
})

test('KF-F14 a log that cannot be measured ends neither the process nor what waits to be written', async (t) => {
  const measures: string[] = []
  const { connect } = faultyConnections({
    replace: (sql) => {
      if (!sql.includes('wal_checkpoint(NOOP)')) return sql
      measures.push(sql)
      return 'SELECT abs(-9223372036854775808) AS log'
    },
  })
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  t.after(() => process.off('unhandledRejection', note))
  const { store } = await open(t, { connect })
  for (let i = 0; i < 50; i++) {
    const writes = [1, 2].map(() => store.audit.append([auditEvent(now, 'x', { requestId: 'r' })]))
    await Promise.all(writes)
  }
  await store.close()
  assert.ok(measures.length > 0)
  assert.deepEqual(unhandled, [])
})
