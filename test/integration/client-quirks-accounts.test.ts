import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { newId } from '../../src/lib/ids.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { assertRefused, startJourney } from '../support/acme-journey.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { accountRecord, auditEvent } from '../support/records.ts'

test('CQ-A12 beside 1,000 idle accounts no statement of an issuance reads a table from end to end', async (t) => {
  const statements = new Set<string>()
  const prepare = DatabaseSync.prototype.prepare
  DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql, ...rest) {
    statements.add(sql)
    return prepare.call(this, sql, ...rest)
  }
  t.after(() => {
    DatabaseSync.prototype.prepare = prepare
  })
  const journey = await startJourney()
  t.after(() => journey.close())
  const { store } = journey.chancery
  const now = new Date()
  await Promise.all(
    Array.from({ length: 1_000 }, () =>
      store.accounts.create(accountRecord(now, { id: newId(systemRandom, 'account', now) }), {
        now,
        audit: auditEvent(now, 'account.created'),
      }),
    ),
  )
  assert.ok(((await store.retention.counts())['accounts'] ?? 0) >= 1_000)
  const client = await journey.registered()
  await client.newAccount({ onlyReturnExisting: true })
  await client.post(client.accountUrl!, { contact: ['mailto:a@idle.localhost'] })
  const issued = await journey.issue(client, ['among.idle.localhost'])
  await client.postAsGet(`${client.accountUrl}/orders`)
  const { revokeCert = '' } = await client.directory()
  await client.post(revokeCert, { certificate: issued.leaf.raw.toString('base64url') })
  const second = journey.client()
  await second.newAccount({})
  await second.keyChange(journey.client().key)

  const database = new DatabaseSync(`${journey.chancery.home}/chancery.db`, { readOnly: true })
  t.after(() => database.close())
  const scans = (sql: string): string[] =>
    prepare
      .call(database, `EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => String(detail))
      // `by_…` are derived tables, whose rows were found by an index.
      .filter(
        (detail) => /^SCAN (?!CONSTANT|\d+-ROW VALUES|by_)/.test(detail) && !/USING (?:COVERING )?INDEX/.test(detail),
      )
  assert.deepEqual(scans("SELECT id FROM accounts WHERE contact = 'x'"), ['SCAN accounts'])
  const work = [...statements].filter(
    (sql) => /^\s*(?:SELECT|UPDATE|DELETE|INSERT|WITH)\b/i.test(sql) && !isForTheWholeStore(sql),
  )
  for (const sql of work) assert.deepEqual(scans(sql), [], sql)
  assert.ok(work.length > 15, `${work.length}`)
})

test('CQ-A12 accounts that were never used are swept after their time; one with an order stays', async (t) => {
  const clock = new FakeClock(new Date().toISOString())
  const journey = await startJourney({ clock, set: ['retention.unusedAccounts=10m'] })
  t.after(() => journey.close())
  const used = await journey.registered()
  await journey.issue(used, ['used.localhost'])
  const idle = await Promise.all(Array.from({ length: 5 }, () => journey.registered()))
  await clock.advance(9 * 60_000)
  const rows = async () => (await journey.chancery.store.retention.counts())['accounts']
  assert.equal(await rows(), 6)
  for (let minute = 0; minute < 75 && (await rows()) !== 1; minute++) await clock.advance(60_000)
  assert.equal(await rows(), 1)
  await used.get(used.directoryUrl)
  assert.equal((await used.postAsGet(used.accountUrl!)).status, 200)
  // For its owner a swept account is one that the server lost: registering again is all it takes (CQ-A04).
  await idle[0]!.get(idle[0]!.directoryUrl)
  assertRefused(await idle[0]!.postAsGet(idle[0]!.accountUrl!), 400, 'accountDoesNotExist')
  assert.equal((await idle[0]!.newAccount({})).status, 201)
})

test('CQ-A02 CQ-A03 CQ-A06 twenty processes of one machine register at once, each before its order', async (t) => {
  const journey = await startJourney()
  t.after(() => journey.close())
  const { key } = journey.client()
  const processes = Array.from({ length: 20 }, () => journey.client({ key }))
  const replies = await Promise.all(processes.map((one) => one.newAccount({ contact: ['mailto:a@many.localhost'] })))
  assert.equal(replies.filter(({ status }) => status === 201).length, 1)
  assert.equal(replies.filter(({ status }) => status === 200).length, 19)
  assert.equal(new Set(replies.map(({ headers }) => headers.location)).size, 1)
  for (const { json, headers } of replies)
    assert.deepEqual(json, {
      status: 'valid',
      contact: ['mailto:a@many.localhost'],
      orders: `${headers.location}/orders`,
    })
  const orders = await Promise.all(processes.map((one, index) => one.newOrder([`p${index}.many.localhost`])))
  assert.deepEqual(new Set(orders.map(({ status }) => status)), new Set([201]))
  const listed = await processes[0]!.postAsGet(replies[0]!.json.orders)
  assert.deepEqual(Object.keys(listed.json), ['orders'])
  assert.equal(listed.json.orders.length, 20)
})

test('CQ-A01 CQ-A05 CQ-A07 CQ-J06 what appliances send: no contact in three ways, left-overs of v1, updates by POST, reading by POST', async (t) => {
  const journey = await startJourney()
  t.after(() => journey.close())
  for (const body of [{}, { contact: [] }, { contact: null }, { resource: 'new-reg', agreement: 'x', delete: true }]) {
    const client = journey.client()
    const reply = await client.newAccount(body)
    assert.equal(reply.status, 201, reply.text)
    assert.deepEqual(Object.keys(reply.json), ['status', 'orders'])
    const updated = await client.post(client.accountUrl!, { contact: ['mailto:new@mail.localhost'] })
    assert.deepEqual([updated.status, updated.json.contact], [200, ['mailto:new@mail.localhost']])
    for (const payload of ['', {}, { resource: 'reg' }]) {
      const read = await client.post(client.accountUrl!, payload)
      assert.deepEqual([read.status, read.text], [200, updated.text])
    }
  }
})

/** Counting rows for a metric, the schema, and the few rows of the queue: not part of any request. */
function isForTheWholeStore(sql: string): boolean {
  // Every lease ends at a start, and only then.
  return /COUNT\(\*\)|schema_migrations|sqlite_|SET lease_owner = NULL, lease_until = 0 WHERE lease_until > 0/i.test(
    sql,
  )
}
