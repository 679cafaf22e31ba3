import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { startFlakyProxy } from '../../../test/support/flaky-proxy.ts'
import { startPostgres, TEST_SETTINGS } from '../../../test/support/postgres-server.ts'
import { describeOnPostgres } from '../../../test/support/postgres-suite.ts'
import { RecordingLogger, RecordingMetrics } from '../../../test/support/recorders.ts'
import {
  accountRecord,
  auditEvent,
  authorizationRecord,
  certificateRecord,
  dnsName,
  hours,
  later,
  orderRecord,
} from '../../../test/support/records.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { initial } from '../migrations/0001-initial.ts'
import { MIGRATIONS } from '../migrations/index.ts'
import type { Migration } from '../migrations/migration.ts'
import type { AccountRecord } from '../records.ts'
import type { Store } from '../store.ts'
import { openPostgresStore, type PostgresStoreOptions } from './engine.ts'

const clock = systemClock
/** As it travels; BEGIN has the letters in READ COMMITTED. */
const COMMIT = 'COMMIT\0'
const newest = MIGRATIONS.length

/** Wall time that a test moves, and pauses as they are. */
function withWall(wall: FakeClock): Clock {
  return { ...systemClock, now: () => wall.now() }
}

function nextStep(fields: Partial<Migration> & { readonly statements: Migration['statements'] }): readonly Migration[] {
  return [...MIGRATIONS, { number: newest + 1, name: 'next', ...fields }]
}

function spend(store: Store, id: string): Promise<boolean> {
  return store.nonces.spend(id, later(clock.now(), hours(1)))
}

function createAccount(store: Store, account = accountRecord(clock.now())) {
  const now = clock.now()
  return store.accounts.create(account, { now, audit: auditEvent(now, 'account.created') })
}

function createOrder(store: Store, account: AccountRecord): Promise<string> {
  const now = clock.now()
  const name = dnsName('a.test')
  const authorization = authorizationRecord(account, name, now)
  return store.orders.create(orderRecord(account, [name], now), {
    authorizationIds: [authorization.id],
    newAuthorizations: [authorization],
    now,
    audit: auditEvent(now, 'order.created'),
  })
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  const startedMs = clock.monotonicMs()
  while (!(await check())) {
    if (clock.monotonicMs() - startedMs > 30_000) throw new Error('it did not come to be within 30 s')
    await clock.sleep(50)
  }
}

describeOnPostgres('the store on PostgreSQL', (suite) => {
  async function open(database: string, options: Partial<PostgresStoreOptions> = {}): Promise<Store> {
    const store = await openPostgresStore({
      address: suite.server.address(database),
      settings: TEST_SETTINGS,
      clock,
      ...options,
    })
    suite.opened.push(store)
    return store
  }

  const address = (port: number, database: string) => ({ ...suite.server.address(database), host: '127.0.0.1', port })

  test('KF-E02 a server that would lose what it acknowledges is refused, and told what to set', async () => {
    const database = await suite.server.createDatabase()
    await suite.server.sql(database, `ALTER DATABASE ${database} SET synchronous_commit = off`)
    await assert.rejects(open(database), { code: 'failed', message: /synchronous_commit = off.*ALTER ROLE/ })
    await suite.server.sql(database, `ALTER DATABASE ${database} SET synchronous_commit = local`)
    await open(database)
  })

  test('KF-E02 a server without fsync is refused', async () => {
    const careless = await startPostgres(['fsync = off'])
    try {
      const database = await careless.createDatabase()
      const options = { address: careless.address(database), settings: TEST_SETTINGS, clock }
      await assert.rejects(openPostgresStore(options), { code: 'failed', message: /fsync = off.*set fsync = on/ })
    } finally {
      await careless.stop()
    }
  })

  test('a database of another encoding, one that only reads, and one that is not there are refused with what to do', async () => {
    await suite.server.sql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    await assert.rejects(open('latin'), { code: 'failed', message: /LATIN1.*createdb --encoding=UTF8/ })
    const database = await suite.server.createDatabase()
    await suite.server.sql(database, `ALTER DATABASE ${database} SET default_transaction_read_only = on`)
    await assert.rejects(open(database), { code: 'busy', message: /only reads.*primary/ })
    await assert.rejects(open('nowhere'), { code: 'failed', message: /nowhere.*createdb/ })
  })

  test('KF-E01 a COMMIT that was lost is not acknowledged, and can be repeated', async () => {
    const database = await suite.server.createDatabase()
    const proxy = await startFlakyProxy({ host: '127.0.0.1', port: suite.server.port })
    const store = await open(database, { address: address(proxy.port, database) })
    const account = accountRecord(clock.now())
    proxy.cutAt(COMMIT, 'lost')
    await assert.rejects(createAccount(store, account), { code: 'busy', message: /whether it did is not known/ })
    assert.equal(await store.accounts.find(account.directory, account.id), undefined)
    assert.deepEqual(await createAccount(store, account), { outcome: 'created', account })
    await proxy.close()
  })

  test('KF-E01 a COMMIT that landed while its answer was lost is not acknowledged, and repeating it is safe', async () => {
    const database = await suite.server.createDatabase()
    const proxy = await startFlakyProxy({ host: '127.0.0.1', port: suite.server.port })
    const store = await open(database, { address: address(proxy.port, database) })
    for (const how of ['landed', 'disowned'] as const) {
      const account = accountRecord(clock.now())
      proxy.cutAt(COMMIT, how)
      await assert.rejects(createAccount(store, account), { code: 'busy', message: /whether it did is not known/ })
      assert.deepEqual(await createAccount(store, account), { outcome: 'exists', account })
      proxy.cutAt(COMMIT, how)
      await assert.rejects(createOrder(store, account), { code: 'busy', message: /whether it did is not known/ })
    }
    assert.equal(await suite.server.sql(database, 'SELECT count(*) FROM orders'), '2')
    proxy.cutAt('INSERT INTO nonces', 'landed')
    await assert.rejects(spend(store, 'a'), { code: 'busy' })
    assert.equal(await spend(store, 'a'), false, 'a nonce that may be spent is spent')
    await proxy.close()
  })

  test('a connection lost before its COMMIT costs the caller nothing: the write is made on another one', async () => {
    const database = await suite.server.createDatabase()
    const proxy = await startFlakyProxy({ host: '127.0.0.1', port: suite.server.port })
    const store = await open(database, { address: address(proxy.port, database) })
    for (const how of ['lost', 'landed'] as const) {
      proxy.cutAt('INSERT INTO accounts', how)
      assert.equal((await createAccount(store)).outcome, 'created')
    }
    assert.equal((await store.retention.counts())['accounts'], 2)
    await proxy.close()
  })

  test('a server that falls silent: the request ends with `busy` after its deadline, the next goes on', async () => {
    const database = await suite.server.createDatabase()
    const proxy = await startFlakyProxy({ host: '127.0.0.1', port: suite.server.port })
    const settings = { ...TEST_SETTINGS, statementTimeout: 1 }
    const store = await open(database, { address: address(proxy.port, database), settings })
    proxy.cutAt(COMMIT, 'silent')
    await assert.rejects(createAccount(store), { code: 'busy' })
    assert.equal((await createAccount(store)).outcome, 'created')
    await proxy.close()
  })

  /** Somebody else changes the accounts and takes four seconds over it; @returns what waits for their end. */
  async function holdRow(database: string): Promise<() => Promise<void>> {
    const holding = suite.server.sql(
      database,
      'BEGIN; UPDATE accounts SET contact = contact; SELECT pg_sleep(4); COMMIT',
    )
    const asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    await eventually(async () => (await suite.server.sql(database, asleep)) === '1')
    return async () => void (await holding)
  }

  test('a row held for too long: the write ends with `busy` and leaves nothing', async () => {
    const database = await suite.server.createDatabase()
    const store = await open(database, { settings: { ...TEST_SETTINGS, lockTimeout: 1 } })
    const account = accountRecord(clock.now())
    await createAccount(store, account)
    const release = await holdRow(database)
    const now = clock.now()
    const change = store.accounts.updateContact(
      account.directory,
      account.id,
      ['mailto:x@example.test'],
      auditEvent(now, 'x'),
    )
    await assert.rejects(change, { code: 'busy', message: /lock/ })
    await release()
    assert.deepEqual((await store.accounts.find(account.directory, account.id))?.contact, account.contact)
  })

  test('what was sent along with a statement that failed can be sent again on the same connection', async () => {
    const database = await suite.server.createDatabase()
    const store = await open(database, { settings: { ...TEST_SETTINGS, poolSize: 1, lockTimeout: 1 } })
    const pids = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'chancery'"
    const account = accountRecord(clock.now())
    await createAccount(store, account)
    const before = await suite.server.sql(database, pids)
    const release = await holdRow(database)
    await assert.rejects(createOrder(store, account), { code: 'busy', message: /lock/ })
    await release()
    assert.equal(await createOrder(store, account), 'created')
    assert.equal(await createOrder(store, account), 'created')
    assert.equal(await suite.server.sql(database, pids), before)
  })

  test('when no connection is free in time the answer is `busy`, and the pool recovers', async () => {
    const database = await suite.server.createDatabase()
    const settings = { ...TEST_SETTINGS, poolSize: 2, connectTimeout: 1, acquireTimeout: 1 }
    const store = await open(database, { settings })
    const account = accountRecord(clock.now())
    await createAccount(store, account)
    const holding = suite.server.sql(
      database,
      'BEGIN; UPDATE accounts SET contact = contact; SELECT pg_sleep(3); COMMIT',
    )
    await eventually(
      async () =>
        (await suite.server.sql(database, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")) ===
        '1',
    )
    const now = clock.now()
    const change = () =>
      store.accounts.updateContact(account.directory, account.id, ['mailto:x@example.test'], auditEvent(now, 'x'))
    const waiting = [change(), change()]
    await assert.rejects(spend(store, 'a'), { code: 'busy', message: /no connection is free/ })
    await holding
    assert.equal((await Promise.all(waiting)).length, 2)
    assert.equal(await spend(store, 'a'), true)
  })

  test('KF-E01 PostgreSQL killed and started again under writes, three times: nothing acknowledged is lost', async () => {
    const database = await suite.server.createDatabase()
    const log = new RecordingLogger()
    const settings = { ...TEST_SETTINGS, connectTimeout: 2, acquireTimeout: 2 }
    const store = await open(database, { settings, log })
    const acknowledged: string[] = []
    const refused = new Set<string>()
    let running = true
    const writer = async (): Promise<void> => {
      while (running) {
        const now = clock.now()
        const certificate = certificateRecord(now)
        try {
          const audit = auditEvent(now, 'certificate.reserved')
          await store.certificates.begin(certificate, { now, audit })
          acknowledged.push(certificate.serial)
        } catch (error) {
          const { code, message } = error as { code: string; message: string }
          refused.add(code === 'busy' ? code : message)
          await clock.sleep(5)
        }
      }
    }
    const writers = Promise.all(Array.from({ length: 12 }, writer))
    for (let round = 0; round < 3; round++) {
      const before = acknowledged.length
      await eventually(async () => acknowledged.length > before + 40)
      await suite.server.crash()
      await suite.server.start()
      await eventually(async () => acknowledged.length > before + 80)
    }
    running = false
    await writers
    const listed = await store.certificates.listUnfinished(later(clock.now(), 1000), 1_000_000)
    const stored = new Set(listed.map(({ serial }) => serial))
    for (const serial of acknowledged) assert.ok(stored.has(serial), `${serial} was acknowledged and is lost`)
    assert.deepEqual([...refused], ['busy'], 'while it was away every write was told to come back')
    await store.ping()
  })

  test('what a busy account does at once waits in line, and nothing of it has to be begun again', async () => {
    const database = await suite.server.createDatabase()
    const metrics = new RecordingMetrics()
    const store = await open(database, { metrics })
    const now = clock.now()
    const account = accountRecord(now)
    await createAccount(store, account)
    for (let round = 0; round < 3; round++) {
      const outcomes = await Promise.all(Array.from({ length: 24 }, () => createOrder(store, account)))
      assert.deepEqual(new Set(outcomes), new Set(['created']))
    }
    const retries = [...metrics.counts].filter(([name]) => name.startsWith('chancery_store_retries_total'))
    assert.deepEqual(retries, [])
  })

  test('KF-E16 many servers that start at once on an empty database apply each step once, and none is refused', async () => {
    const database = await suite.server.createDatabase()
    const stores = await Promise.all(Array.from({ length: 40 }, () => open(database, { serves: true })))
    const applied = await suite.server.sql(database, 'SELECT count(*) FROM schema_migrations')
    assert.equal(Number(applied), newest)
    assert.equal((await stores[0]?.instances.list())?.length, stores.length)
  })

  test('KF-E16 an old program works on beside a new one whose step only adds, and can be started again', async () => {
    const database = await suite.server.createDatabase()
    const old = await open(database, { serves: true })
    const statements = () => ['ALTER TABLE accounts ADD COLUMN nickname TEXT', 'CREATE TABLE more (id TEXT)']
    const young = await open(database, { serves: true, migrations: nextStep({ readableFrom: 1, statements }) })
    const account = accountRecord(clock.now())
    assert.equal((await createAccount(old, account)).outcome, 'created')
    assert.deepEqual(await young.accounts.find(account.directory, account.id), account)
    assert.equal(await old.instances.beat(), undefined)
    const restarted = await open(database, { serves: true })
    assert.equal((await createAccount(restarted, account)).outcome, 'exists')
    assert.deepEqual(
      (await restarted.instances.list()).map(({ schema }) => schema),
      [newest, newest + 1, newest],
    )
  })

  test('KF-E16 a step that older programs cannot live with waits until none runs, and then they are refused', async () => {
    const database = await suite.server.createDatabase()
    const old = await open(database, { serves: true })
    const contracted = nextStep({ statements: () => ['ALTER TABLE accounts DROP COLUMN first_order_at'] })
    await assert.rejects(open(database, { serves: true, migrations: contracted }), {
      code: 'schema',
      message: /would break an older Chancery that is still running.*Upgrade or stop it first/,
    })
    assert.equal((await createAccount(old)).outcome, 'created')
    await old.close()
    await open(database, { serves: true, migrations: contracted })
    await assert.rejects(open(database), { code: 'schema', message: /knows only up to/ })
  })

  test('KF-E16 a program that is cut off while the schema contracts learns of it at its next heartbeat', async () => {
    const database = await suite.server.createDatabase()
    const wall = new FakeClock()
    const old = await open(database, { serves: true, clock: withWall(wall) })
    assert.equal(await old.instances.beat(), undefined)
    // It hangs for longer than it is waited for.
    await wall.advance(121_000)
    const contracted = nextStep({ statements: () => ['ALTER TABLE accounts DROP COLUMN first_order_at'] })
    await open(database, { serves: true, clock: withWall(wall), migrations: contracted })
    assert.match((await old.instances.beat()) ?? '', /knows only up to/)
  })

  test('KF-E16 a step that fails is undone as a whole, and the old program goes on', async () => {
    const database = await suite.server.createDatabase()
    const old = await open(database)
    const broken = nextStep({
      readableFrom: 1,
      statements: () => ['CREATE TABLE half (id TEXT)', 'CREATE TABLE half (id TEXT)'],
    })
    await assert.rejects(open(database, { migrations: broken }), {
      code: 'schema',
      message: /step \d+ \(next\) failed and was undone/,
    })
    assert.equal((await createAccount(old)).outcome, 'created')
    const repaired = nextStep({ readableFrom: 1, statements: () => ['CREATE TABLE half (id TEXT)'] })
    await open(database, { migrations: repaired })
  })

  test('KF-E16 a step that was changed after its release is refused', async () => {
    const database = await suite.server.createDatabase()
    await open(database)
    const statements: Migration['statements'] = (dialect) => [
      ...initial.statements(dialect),
      'CREATE TABLE x (id TEXT)',
    ]
    const migrations = [{ ...initial, statements }, ...MIGRATIONS.slice(1)]
    await assert.rejects(open(database, { migrations }), { code: 'schema', message: /step 1/ })
  })

  test('KF-B06 one nonce shown to four servers a hundred times at once is accepted once', async () => {
    const database = await suite.server.createDatabase()
    const stores = await Promise.all(Array.from({ length: 4 }, () => open(database)))
    const ids = Array.from({ length: 40 }, (_, index) => `nonce ${index}`)
    const results = await Promise.all(
      ids.map((id) => Promise.all(stores.flatMap((store) => Array.from({ length: 25 }, () => spend(store, id))))),
    )
    for (const [index, accepted] of results.entries())
      assert.equal(accepted.filter(Boolean).length, 1, `nonce ${index} was accepted more than once, or never`)
  })

  test('a password is read from a file that only its owner may read, and never shows in errors', async () => {
    const { chmod, mkdtemp, writeFile } = await import('node:fs/promises')
    const { tmpdir } = await import('node:os')
    const { join } = await import('node:path')
    const database = await suite.server.createDatabase()
    await suite.server.sql(
      database,
      `CREATE ROLE with_password LOGIN PASSWORD 'correct-horse'; GRANT ALL ON SCHEMA public TO with_password`,
    )
    const file = join(await mkdtemp(join(tmpdir(), 'chancery-pgpass-')), 'password')
    await writeFile(file, 'correct-horse\n', { mode: 0o600 })
    await suite.server.requirePassword('with_password')
    const options = { address: { ...address(suite.server.port, database), user: 'with_password' } }
    const store = await open(database, { ...options, settings: { ...TEST_SETTINGS, passwordFile: file } })
    await store.ping()
    await assert.rejects(open(database, options), { message: /does not let us in.*passwordFile/ })
    await writeFile(file, 'wrong-horse\n')
    const refused = open(database, { ...options, settings: { ...TEST_SETTINGS, passwordFile: file } })
    await assert.rejects(
      refused,
      (error: Error) => /passwordFile/.test(error.message) && !/wrong-horse/.test(error.stack ?? ''),
    )
    await chmod(file, 0o644)
    const exposed = open(database, { ...options, settings: { ...TEST_SETTINGS, passwordFile: file } })
    await assert.rejects(exposed, { message: /mode 0644/ })
  })
})
