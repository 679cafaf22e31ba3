import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { type Faults, faultyConnections, IOERR_FSYNC, sqliteError } from '../../../test/support/faulty-database.ts'
import { accountRecord, auditEvent, eabKeyRecord, hours, later } from '../../../test/support/records.ts'
import { systemClock } from '../../lib/clock.ts'
import { initial } from '../migrations/0001-initial.ts'
import { MIGRATIONS } from '../migrations/index.ts'
import type { Migration } from '../migrations/migration.ts'
import type { Store } from '../store.ts'
import { openSqliteStore, type SqliteStoreOptions } from './engine.ts'

const clock = new FakeClock()
const now = clock.now()
const folders: string[] = []
const newest = MIGRATIONS.length

after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

async function newPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-engine-'))
  folders.push(folder)
  return join(folder, 'chancery.db')
}

async function open(path: string, options: Partial<SqliteStoreOptions> = {}): Promise<Store> {
  return openSqliteStore({ path, clock, ...options })
}

function spend(store: Store, id: string): Promise<boolean> {
  return store.nonces.spend(id, later(now, hours(1)))
}

/** A small write of any store, with an outcome: which of several values came first. */
function claim(store: Store, name: string, value: string): Promise<string> {
  return store.secrets.getOrCreate(name, () => Buffer.from(value)).then((kept) => kept.toString())
}

function child(mode: string, path: string) {
  const program = join(import.meta.dirname, '../../../test/support/store-child.ts')
  return spawn(process.execPath, [program, mode, path], { stdio: ['ignore', 'pipe', 'inherit'] })
}

test('KF-E02 a build of SQLite that keeps another synchronous mode is refused, and says so', async () => {
  for (const mode of ['NORMAL', 'OFF']) {
    const replace = (sql: string) => (sql.startsWith('PRAGMA synchronous =') ? `PRAGMA synchronous = ${mode}` : sql)
    const { connect, connections } = faultyConnections({ replace })
    await assert.rejects(open(await newPath(), { connect }), { code: 'failed', message: /synchronous/ })
    assert.ok(connections.every(({ isOpen }) => !isOpen))
  }
})

test('KF-E02 a file system without a shared write-ahead log is refused', async () => {
  const replace = (sql: string) => (sql === 'PRAGMA journal_mode = WAL' ? 'PRAGMA journal_mode = DELETE' : sql)
  const { connect } = faultyConnections({ replace })
  await assert.rejects(open(await newPath(), { connect }), { code: 'failed', message: /journal_mode/ })
})

test('only the owner may read any file of the database, whoever made it first', async () => {
  const path = await newPath()
  new DatabaseSync(path).close()
  const store = await open(path, { exclusive: true })
  await claim(store, 'a', 'x')
  const folder = join(path, '..')
  const files = await readdir(folder)
  assert.ok(files.includes('chancery.db-wal') && files.includes('chancery.db.lock'))
  for (const file of files) assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600, file)
  await store.close()
})

test('KF-E03 a full disk: the write fails, nothing is written any more, reads go on, a restart recovers', async () => {
  const path = await newPath()
  const { connect, connections } = faultyConnections({})
  const store = await open(path, { connect })
  assert.equal(await spend(store, 'before'), true)
  const writer = connections[0]
  const pages = writer?.prepare('PRAGMA page_count').get()?.['page_count']
  writer?.exec(`PRAGMA max_page_count = ${pages}`)

  const big = accountRecord(now, { contact: ['x'.repeat(100_000)] })
  const together = await Promise.allSettled([
    spend(store, 'with the big one'),
    store.accounts.create(big, { now, audit: auditEvent(now, 'x') }),
  ])
  for (const result of together) {
    assert.equal(result.status, 'rejected')
    assert.equal(result.reason.code, 'full')
  }
  await assert.rejects(spend(store, 'after'), { code: 'full', message: /no more writes until restart/ })
  await assert.rejects(store.ping(), { code: 'full' })
  assert.equal(await store.accounts.find(big.directory, big.id), undefined)
  assert.equal((await store.retention.counts())['nonces'], 1)
  await store.close()

  const restarted = await open(path)
  assert.equal(await spend(restarted, 'before'), false)
  for (const id of ['with the big one', 'after']) assert.equal(await spend(restarted, id), true, `${id} was not kept`)
  await restarted.close()
})

test('KF-E03 a failed fsync at commit: all of the batch fail, and nothing is written any more', async () => {
  const path = await newPath()
  const faults: Faults = {}
  const { connect } = faultyConnections(faults)
  const store = await open(path, { connect })
  faults.before = (sql) => {
    if (sql === 'COMMIT') throw sqliteError(IOERR_FSYNC)
  }
  const results = await Promise.allSettled(['a', 'b', 'c'].map((id) => spend(store, id)))
  delete faults.before
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  await assert.rejects(spend(store, 'd'), { code: 'full' })
  assert.equal((await store.retention.counts())['nonces'], 0)
  await store.close()
})

test('KF-E03 a commit that lands but reports failure is not acknowledged, and repeating it after a restart is safe', async () => {
  const path = await newPath()
  const faults: Faults = {}
  const { connect } = faultyConnections(faults)
  const store = await open(path, { connect })
  const account = accountRecord(now)
  const create = (target: Store) => target.accounts.create(account, { now, audit: auditEvent(now, 'account.created') })
  faults.after = (sql) => {
    if (sql === 'COMMIT') throw sqliteError(IOERR_FSYNC)
  }
  await assert.rejects(create(store), { code: 'full' })
  delete faults.after
  await store.close()
  const restarted = await open(path)
  assert.deepEqual(await create(restarted), { outcome: 'exists', account })
  await restarted.close()
})

test('KF-E07 a second server on the same database fails at once and says so; the first goes on', async () => {
  const path = await newPath()
  const first = await open(path, { exclusive: true })
  await assert.rejects(open(path, { exclusive: true }), { code: 'busy', message: /another Chancery server is running/ })
  assert.equal(await claim(first, 'a', 'first'), 'first')
  await first.close()
  await (await open(path, { exclusive: true })).close()
})

test('KF-E13 a server that starts alone ends the leases of those before it, a tool beside it does not', async () => {
  const path = await newPath()
  const dead = await open(path, { exclusive: true })
  const leaseUntil = new Date(now.getTime() + 600_000)
  const lease = (store: Store, owner: string) => store.crls.lease('issuer', { owner, now, leaseUntil })
  assert.equal(await lease(dead, 'dead'), true)
  const tool = await open(path)
  assert.equal(await tool.takeOver(), false)
  assert.equal(await lease(tool, 'tool'), false)
  await tool.close()
  await dead.close()
  const next = await open(path, { exclusive: true })
  assert.equal(await lease(next, 'next'), false, 'not by opening alone')
  assert.equal(await next.takeOver(), true)
  assert.equal(await lease(next, 'next'), true)
  await next.close()
})

test('KF-E07 a tool reads and writes beside a running server, and neither loses anything', async () => {
  const path = await newPath()
  const server = await open(path, { exclusive: true })
  const tool = await open(path)
  const key = eabKeyRecord(now)
  await tool.eabKeys.create(key, auditEvent(now, 'eab.created'))
  assert.deepEqual(await server.eabKeys.find(key.id), key)
  const ids = Array.from({ length: 300 }, (_, i) => `claim ${i}`)
  const both = await Promise.all(ids.map((id) => Promise.all([claim(server, id, 'server'), claim(tool, id, 'tool')])))
  for (const [one, other] of both) assert.equal(one, other, 'exactly one of the two has it')
  await tool.close()
  assert.equal(await claim(server, 'still serving', 'yes'), 'yes')
  await server.close()
})

test('KF-E07 the lock of a killed server is free at once', async () => {
  const path = await newPath()
  const server = child('hold', path)
  await once(server.stdout, 'data')
  await assert.rejects(open(path, { exclusive: true }), { code: 'busy' })
  const tool = await open(path)
  assert.equal(await claim(tool, 'beside it', 'tool'), 'tool')
  await tool.close()
  server.kill('SIGKILL')
  await once(server, 'exit')
  const next = await open(path, { exclusive: true })
  assert.equal(await claim(next, 'beside it', 'next'), 'tool')
  await next.close()
})

test('KF-E01 every reservation that was acknowledged survives kill -9', async () => {
  const path = await newPath()
  const writer = child('write', path)
  let printed = ''
  writer.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    if (printed.length > 10_000) writer.kill('SIGKILL')
  })
  await once(writer, 'close')
  const acknowledged = printed.split('\n').slice(0, -1)
  assert.ok(acknowledged.length > 100)
  const store = await openSqliteStore({ path, clock: systemClock, exclusive: true })
  const listed = await store.certificates.listUnfinished(later(systemClock.now(), 1), 1_000_000)
  const stored = new Set(listed.map(({ serial }) => serial))
  for (const serial of acknowledged) assert.ok(stored.has(serial), `${serial} was acknowledged and is lost`)
  await store.close()
})

const NEXT = MIGRATIONS.length + 1

test('KF-E16 a program refuses a database of a newer one, and leaves it alone', async () => {
  const path = await newPath()
  const next: Migration = { number: NEXT, name: 'next', statements: () => ['CREATE TABLE next (id TEXT)'] }
  await (await open(path, { migrations: [...MIGRATIONS, next] })).close()
  await assert.rejects(open(path), {
    code: 'schema',
    message: new RegExp(`schema ${NEXT}.*only up to ${MIGRATIONS.length}`, 's'),
  })
  await (await open(path, { migrations: [...MIGRATIONS, next] })).close()
})

test('KF-E16 a program works on a newer database whose further steps were made for it', async () => {
  const path = await newPath()
  const step = (number: number, readableFrom?: number): Migration => ({
    number,
    name: `step ${number}`,
    ...(readableFrom === undefined ? {} : { readableFrom }),
    statements: () => [`CREATE TABLE step_${number} (id TEXT)`],
  })
  await (await open(path, { migrations: [...MIGRATIONS, step(newest + 1, 1)] })).close()
  const old = await open(path)
  assert.equal(await spend(old, 'a'), true)
  await old.close()
  const contracting = [...MIGRATIONS, step(newest + 1, 1), step(newest + 2, newest + 1), step(newest + 3, 1)]
  await (await open(path, { migrations: contracting })).close()
  await assert.rejects(open(path), { code: 'schema', message: new RegExp(`cannot work with step ${newest + 2}`) })
  await (await open(path, { migrations: contracting.slice(0, -2) })).close()
})

test('KF-E16 a database from before steps said what they are made for is brought up to date', async () => {
  const path = await newPath()
  await (await open(path)).close()
  const connection = new DatabaseSync(path)
  connection.exec('ALTER TABLE schema_migrations DROP COLUMN readable_from')
  connection.close()
  const next: Migration = { number: newest + 1, name: 'next', statements: () => ['CREATE TABLE next (id TEXT)'] }
  await (await open(path, { migrations: [...MIGRATIONS, next] })).close()
  await assert.rejects(open(path), { code: 'schema' })
})

test('KF-E16 a schema step that was changed after its release is refused', async () => {
  const path = await newPath()
  await (await open(path)).close()
  const statements: Migration['statements'] = (dialect) => [
    ...initial.statements(dialect),
    'CREATE TABLE extra (id TEXT)',
  ]
  await assert.rejects(open(path, { migrations: [{ ...initial, statements }, ...MIGRATIONS.slice(1)] }), {
    code: 'schema',
    message: /step 1/,
  })
  await (await open(path)).close()
})

test('KF-E16 a schema step that fails is undone as a whole; the old program goes on, and a repaired one too', async () => {
  const path = await newPath()
  const first = await open(path)
  await spend(first, 'kept')
  await first.close()
  const next = (second: string): Migration => ({
    number: NEXT,
    name: 'next',
    statements: () => ['CREATE TABLE half (id TEXT)', second],
  })
  const broken = { migrations: [...MIGRATIONS, next('CREATE TABLE half (id TEXT)')] }
  await assert.rejects(open(path, broken), { code: 'schema', message: /step \d+ \(next\) failed and was undone/ })
  const old = await open(path)
  assert.equal(await spend(old, 'kept'), false)
  await old.close()
  await (await open(path, { migrations: [...MIGRATIONS, next('CREATE TABLE other (id TEXT)')] })).close()
})

test('KF-E16 kill -9 in the middle of a schema step leaves the schema before it', async () => {
  const path = await newPath()
  const [, signal] = await once(child('migrate', path), 'exit')
  assert.equal(signal, 'SIGKILL')
  const connection = new DatabaseSync(path)
  const tables = connection.prepare("SELECT name FROM sqlite_schema WHERE name IN ('accounts', 'second')").all()
  connection.close()
  assert.deepEqual(
    tables.map(({ name }) => name),
    ['accounts'],
  )
  await (await open(path, { exclusive: true })).close()
})

test('KF-E16 a newer tool does not change the schema under a running server', async () => {
  const path = await newPath()
  const server = await open(path, { exclusive: true })
  const next: Migration = { number: NEXT, name: 'next', statements: () => ['CREATE TABLE next (id TEXT)'] }
  await assert.rejects(open(path, { migrations: [...MIGRATIONS, next] }), { code: 'busy' })
  assert.equal(await claim(server, 'a', 'x'), 'x')
  await server.close()
  await (await open(path, { migrations: [...MIGRATIONS, next] })).close()
})

test('a file that is no database is refused and not touched', async () => {
  const path = await newPath()
  const { writeFile, readFile } = await import('node:fs/promises')
  const text = 'not a database\n'.repeat(100)
  await writeFile(path, text)
  await assert.rejects(open(path), { code: 'failed', message: /damaged/ })
  assert.equal(await readFile(path, 'utf8'), text)
})
