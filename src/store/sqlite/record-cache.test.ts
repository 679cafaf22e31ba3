import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, type TestContext, test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import {
  accountRecord,
  auditEvent,
  authorizationRecord,
  dnsName,
  hours,
  later,
  orderRecord,
  problem,
} from '../../../test/support/records.ts'
import { openTestStore } from '../../../test/support/store.ts'
import type { RecordCache, Wanted } from '../sql/record-cache.ts'
import { Statements } from './connection.ts'
import { openSqliteStore } from './engine.ts'
import { SqliteRecordCache } from './record-cache.ts'

const clock = new FakeClock()
const now = clock.now()
const audit = auditEvent(now, 'test')

/** The server's store with an account and an order, and how often a record was read from the database. */
async function server(t: TestContext) {
  const reads = { count: 0 }
  const counted = (cache: RecordCache): RecordCache => ({
    write: () => cache.write(),
    find: (wanted) =>
      cache.find({
        ...wanted,
        read: () => {
          reads.count++
          return wanted.read()
        },
      }),
  })
  const { store, path, cleanup } = await openTestStore(clock, { exclusive: true, recordCache: counted })
  t.after(cleanup)
  const account = accountRecord(now)
  await store.accounts.create(account, { now, audit })
  const authorization = authorizationRecord(account, dnsName('a.test'), now)
  const order = orderRecord(account, [dnsName('a.test')], now)
  await store.orders.create(order, {
    authorizationIds: [authorization.id],
    newAuthorizations: [authorization],
    now,
    audit,
  })
  return { store, path, reads, account, authorization, order }
}

test('polls of one state are answered from memory, whoever of its account asks by whichever id', async (t) => {
  const { store, reads, account, authorization, order } = await server(t)
  const { directory, id } = account
  for (let i = 0; i < 5; i++) {
    assert.ok(await store.accounts.find(directory, id))
    assert.ok(await store.orders.find(directory, id, order.id))
    assert.ok(await store.orders.get(order.id))
    assert.ok(await store.authorizations.find(directory, id, authorization.id))
    for (const challenge of authorization.challenges) {
      assert.ok(await store.authorizations.findChallenge(directory, id, challenge.id))
    }
  }
  assert.equal(reads.count, 2)
})

test('an authorization is not read again on its way, as long as only the server writes to it', async (t) => {
  const { store, reads, account, authorization } = await server(t)
  const find = () => store.authorizations.find(account.directory, account.id, authorization.id)
  assert.deepEqual(await find(), authorization)
  const [challenge] = authorization.challenges
  assert.ok(challenge)
  const asked = await store.authorizations.findChallenge(account.directory, account.id, challenge.id)
  assert.ok(asked)
  const work = { now, keyAuthorization: 'k', owner: 'runner', leaseUntil: later(now, 60_000), audit }
  const queued = await store.validationJobs.enqueue(asked, work)
  assert.ok(queued.outcome === 'queued')
  assert.deepEqual((await find())?.challenges[0]?.respondedAt, now)
  const expiresAt = later(now, hours(8))
  const proof = { owner: 'runner', now, expiresAt, answeredFrom: '10.0.0.1', authorization: queued.job.authorization }
  assert.equal(await store.validationJobs.succeed(challenge.id, { ...proof, audit }), 'done')
  const proved = await find()
  assert.deepEqual(proved?.expiresAt, expiresAt)
  assert.deepEqual(proved?.challenges[0]?.validatedAt, now)
  assert.equal(proved?.challenges[0]?.answeredFrom, '10.0.0.1')
  assert.equal(reads.count, 0)
})

test('of an authorization that is written to by two at once, or with old facts, nothing is taken for granted', async (t) => {
  const { store, account, authorization } = await server(t)
  const { directory, id } = account
  const stored = () => store.authorizations.find(directory, id, authorization.id)
  const answer = (index: number) => {
    const challenge = authorization.challenges[index]
    assert.ok(challenge)
    const work = { now, keyAuthorization: 'k', owner: 'runner', leaseUntil: later(now, 60_000), audit }
    return store.validationJobs.enqueue({ challenge, authorization }, work)
  }
  const [one] = await Promise.all([answer(0), answer(1)])
  assert.ok(one.outcome === 'queued')
  assert.deepEqual(
    (await stored())?.challenges.map(({ respondedAt }) => respondedAt),
    [now, now],
  )
  // As the job of the first has it, the second was not answered.
  const [challenge] = authorization.challenges
  assert.ok(challenge)
  const proof = { owner: 'runner', now, expiresAt: later(now, hours(8)), authorization: one.job.authorization, audit }
  assert.equal(await store.validationJobs.succeed(challenge.id, proof), 'done')
  assert.deepEqual(
    (await stored())?.challenges.map(({ respondedAt }) => respondedAt),
    [now, now],
  )
})

test('KF-B09 what is remembered is not shown to another account or directory', async (t) => {
  const { store, account, authorization, order } = await server(t)
  const { directory, id } = account
  await store.accounts.find(directory, id)
  await store.orders.find(directory, id, order.id)
  await store.authorizations.find(directory, id, authorization.id)
  const other = accountRecord(now)
  await store.accounts.create(other, { now, audit })
  assert.equal(await store.accounts.find('other', id), undefined)
  for (const [place, who] of [[directory, other.id] as const, ['other', id] as const]) {
    assert.equal(await store.orders.find(place, who, order.id), undefined)
    assert.equal(await store.authorizations.find(place, who, authorization.id), undefined)
    for (const challenge of authorization.challenges) {
      assert.equal(await store.authorizations.findChallenge(place, who, challenge.id), undefined)
    }
  }
})

test("what the server writes is seen by the next look, and another account's writes cost nothing", async (t) => {
  const { store, reads, account, authorization, order } = await server(t)
  const { directory, id } = account
  const stranger = accountRecord(now)
  await store.accounts.find(directory, id)
  await store.orders.find(directory, id, order.id)
  await store.accounts.create(stranger, { now, audit })
  await store.accounts.updateContact(directory, stranger.id, ['mailto:a@b.test'], audit)
  reads.count = 0
  await store.accounts.find(directory, id)
  await store.orders.find(directory, id, order.id)
  assert.equal(reads.count, 0)

  await store.authorizations.deactivate(directory, id, authorization.id, { now, error: problem('ended'), audit })
  const found = await store.orders.find(directory, id, order.id)
  assert.deepEqual(found?.order.failedAt, now)
  assert.deepEqual(found?.authorizations[0]?.deactivatedAt, now)
})

test('what another process commits is seen by the next look', async (t) => {
  const { store, path, account } = await server(t)
  const { directory, id } = account
  const tool = await openSqliteStore({ path, clock })
  t.after(() => tool.close())
  for (let i = 0; i < 5; i++) {
    const contact = [`mailto:${i}@b.test`]
    await tool.accounts.updateContact(directory, id, contact, audit)
    assert.deepEqual((await store.accounts.find(directory, id))?.contact, contact)
  }
})

test('a deleted record is gone from memory too', async (t) => {
  const { store, account, order } = await server(t)
  assert.ok(await store.orders.find(account.directory, account.id, order.id))
  const policy = {
    finalOrdersSeconds: 60,
    expiredCertificatesSeconds: 60,
    unusedAccountsSeconds: 60,
    spentEabKeysSeconds: 60,
    auditSeconds: 60,
    decisionsSeconds: 60,
  }
  while ((await store.retention.sweep(policy, { now: later(now, hours(24 * 400)), batch: 100 })) > 0);
  assert.equal(await store.orders.find(account.directory, account.id, order.id), undefined)
})

/** The cache alone, beside a table of accounts whose rows tests change by hand. */
async function alone(t: TestContext) {
  const { store, path, cleanup } = await openTestStore(clock)
  const account = accountRecord(now)
  await store.accounts.create(account, { now, audit })
  const writer = new DatabaseSync(path)
  const beside = new DatabaseSync(path, { readOnly: true })
  after(() => [writer, beside].map((connection) => connection.close()))
  t.after(cleanup)
  const cache = new SqliteRecordCache(new Statements(writer), { isWriterWell: () => true })
  const update = (contact: string) =>
    writer.prepare('UPDATE accounts SET contact = ? WHERE id = ?').run(contact, account.id)
  const committed = () => beside.prepare('SELECT contact FROM accounts WHERE id = ?').get(account.id) as object
  const wanted: Wanted<object> = {
    key: 'account',
    suits: () => true,
    read: async () => committed(),
    keysOf: () => ['account'],
    madeOf: () => [account.id],
  }
  return { writer, path, cache, update, wanted, committed }
}

test('KF-E06 a look beside an open transaction sees the state before it, and is not remembered past it', async (t) => {
  const { writer, cache, update, wanted, committed } = await alone(t)
  const before = await cache.find(wanted)
  writer.exec('BEGIN IMMEDIATE')
  update('["mailto:new@b.test"]')
  assert.deepEqual(await cache.find(wanted), before)
  writer.exec('COMMIT')
  cache.transactionEnded()
  assert.notDeepEqual(committed(), before)
  assert.deepEqual(await cache.find(wanted), committed())
})

test('what was rolled back was never seen', async (t) => {
  const { writer, cache, update, wanted } = await alone(t)
  const before = await cache.find(wanted)
  writer.exec('BEGIN IMMEDIATE')
  update('["mailto:new@b.test"]')
  assert.deepEqual(await cache.find(wanted), before)
  writer.exec('ROLLBACK')
  cache.transactionEnded()
  assert.deepEqual(await cache.find(wanted), before)
})

test('what a write leaves is remembered from its commit on, and not if it changed once more', async (t) => {
  const { writer, cache, update, wanted, committed } = await alone(t)
  const changes: ((contact: string) => void)[] = [
    () => {},
    (contact) => update(contact),
    (contact) => [writer.exec('COMMIT'), cache.transactionEnded(), update(contact)],
    (contact) => [writer.exec('ROLLBACK'), cache.transactionEnded(), update(contact)],
  ]
  for (const [i, change] of changes.entries()) {
    writer.exec('BEGIN IMMEDIATE')
    update(`["mailto:${i}@b.test"]`)
    const left = { contact: `["mailto:${i}@b.test"]` }
    const remember = cache.write().leave(left, wanted)
    change(`["mailto:other${i}@b.test"]`)
    if (writer.isTransaction) writer.exec('COMMIT')
    cache.transactionEnded()
    remember()
    const found = await cache.find(wanted)
    assert.deepEqual({ ...found }, { ...committed() })
    assert.equal(found === left, i === 0)
    assert.equal(cache.write().isCurrent('account', left), i === 0)
  }
})

test('KF-E06 inside a write nothing is current that the transaction changed, though it was read again beside it', async (t) => {
  const { writer, cache, update, wanted } = await alone(t)
  const before = (await cache.find(wanted)) ?? {}
  writer.exec('BEGIN IMMEDIATE')
  assert.ok(cache.write().isCurrent('account', before))
  assert.equal(cache.write().isCurrent('account', { ...before }), false)
  update('["mailto:new@b.test"]')
  assert.equal(cache.write().isCurrent('account', before), false)
  const beside = (await cache.find(wanted)) ?? {}
  assert.equal(await cache.find(wanted), beside)
  assert.equal(cache.write().isCurrent('account', beside), false)
  writer.exec('ROLLBACK')
  cache.transactionEnded()
})

test('what a write leaves is not remembered past a commit of another process', async (t) => {
  const { writer, path, cache, update, wanted, committed } = await alone(t)
  const another = { ...wanted, key: 'another', keysOf: () => ['another'], madeOf: () => ['its row'] }
  await cache.find(another)
  writer.exec('BEGIN IMMEDIATE')
  update('["mailto:a@b.test"]')
  const remember = cache.write().leave({ contact: '["mailto:a@b.test"]' }, wanted)
  writer.exec('COMMIT')
  cache.transactionEnded()
  const tool = new DatabaseSync(path)
  t.after(() => tool.close())
  tool.exec(`UPDATE accounts SET contact = '["mailto:tool@b.test"]'`)
  // Which notices the commit.
  await cache.find(another)
  remember()
  assert.deepEqual(await cache.find(wanted), committed())
})

test('a record that changes while it is read is not remembered', async (t) => {
  const { cache, update, wanted, committed } = await alone(t)
  const before = committed()
  const answer = Promise.withResolvers<object>()
  const looking = cache.find({ ...wanted, read: () => answer.promise })
  update('["mailto:new@b.test"]')
  cache.transactionEnded()
  answer.resolve(before)
  assert.equal(await looking, before, 'whoever asked before the change may see the state before it')
  assert.deepEqual(await cache.find(wanted), committed())
})

test('KF-F23 only so much is remembered; what has been known longest goes first', async (t) => {
  const { cache } = await alone(t)
  let reads = 0
  const find = (i: number) =>
    cache.find({
      key: `k${i}`,
      suits: () => true,
      read: async () => ({ read: reads++ }),
      keysOf: () => [`k${i}`, `also ${i}`],
      madeOf: () => [`row ${i}`],
    })
  for (let i = 0; i < 10_000; i++) await find(i)
  await find(9_999)
  assert.equal(reads, 10_000)
  await find(0)
  assert.equal(reads, 10_001)
})

test('KF-F23 what is remembered is bounded in bytes too: many orders of many names, or one that is larger than all', async (t) => {
  const { cache } = await alone(t)
  let reads = 0
  const find = (key: string, text: string) =>
    cache.find({
      key,
      suits: () => true,
      read: async () => ({ read: reads++, text }),
      keysOf: () => [key],
      madeOf: () => [key],
    })
  const text = 'x'.repeat(100_000)
  for (let i = 0; i < 1000; i++) await find(`k${i}`, text)
  reads = 0
  // The newest first, so that what is read again takes the place of what is too old anyhow.
  for (let i = 999; i >= 0; i--) await find(`k${i}`, text)
  const remembered = 1000 - reads
  assert.ok(remembered >= 10 && remembered * text.length <= 20_000_000, `${remembered} are remembered`)

  reads = 0
  await find('huge', 'x'.repeat(20_000_000))
  await find('huge', 'x'.repeat(20_000_000))
  assert.equal(reads, 2)
})

test('what leaves memory makes room again, whichever way it leaves', async (t) => {
  const { path, cache, update, wanted } = await alone(t)
  const tool = new DatabaseSync(path)
  t.after(() => tool.close())
  let reads = 0
  const find = (key: string, row: readonly string[], bytes = 9_000_000) =>
    cache.find({
      key,
      suits: () => true,
      read: async () => ({ text: 'x'.repeat(bytes), read: reads++ }),
      keysOf: () => [key],
      madeOf: () => row,
    })
  const ways = [
    () => [update('["mailto:a@b.test"]'), cache.transactionEnded()],
    () => tool.exec(`UPDATE accounts SET contact = '["mailto:tool@b.test"]'`),
    () => find('another', []),
  ]
  for (const leave of [...ways, ...ways]) {
    await find('large', wanted.madeOf({}))
    await leave()
  }
  for (const key of ['one', 'two', 'one', 'two']) await find(key, [], 7_000_000)
  reads = 0
  for (const key of ['one', 'two']) await find(key, [], 7_000_000)
  assert.equal(reads, 0)
})

test('what is remembered cannot be changed by whoever was given it', async (t) => {
  const { store, account, authorization, order } = await server(t)
  const { directory, id } = account
  const given = [
    await store.accounts.find(directory, id),
    await store.orders.find(directory, id, order.id),
    await store.authorizations.find(directory, id, authorization.id),
  ]
  const isFrozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    value instanceof Date ||
    (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  for (const record of given) assert.ok(record !== undefined && isFrozen(record))
})

test('after the disk failed nothing is answered from memory', async (t) => {
  const { path, cleanup } = await openTestStore(clock)
  t.after(cleanup)
  const writer = new DatabaseSync(path)
  t.after(() => writer.close())
  let isWell = true
  const cache = new SqliteRecordCache(new Statements(writer), { isWriterWell: () => isWell })
  let reads = 0
  const wanted: Wanted<object> = {
    key: 'k',
    suits: () => true,
    read: async () => ({ read: reads++ }),
    keysOf: () => ['k'],
    madeOf: () => [],
  }
  await cache.find(wanted)
  await cache.find(wanted)
  assert.equal(reads, 1)
  isWell = false
  await cache.find(wanted)
  assert.equal(reads, 2)
})
