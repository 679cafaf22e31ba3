import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { after, test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { hours, later } from '../../../test/support/records.ts'
import type { Store } from '../store.ts'
import { openSqliteStore } from './engine.ts'
import { decodeSpent, encodeSpent, NonceLedger } from './nonce-ledger.ts'

const PAGE = 2 ** 15
const folders: string[] = []
after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

async function newPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-nonces-'))
  folders.push(folder)
  return join(folder, 'chancery.db')
}

function open(path: string, clock: FakeClock): Promise<Store> {
  return openSqliteStore({ path, clock, exclusive: true })
}

function give(from: Store | NonceLedger, clock: FakeClock, lastsMs = hours(1)): string {
  const nonces = 'nonces' in from ? from.nonces : from
  const id = nonces.newId?.(later(clock.now(), lastsMs))
  assert.ok(id)
  return id.toString('base64url')
}

function spend(store: Store, clock: FakeClock, id: string): Promise<boolean> {
  return store.nonces.spend(id, later(clock.now(), hours(1)))
}

/** What the database is after a crash: as it stood at that moment, with its write-ahead log. */
function copyOf(path: string, to: string): void {
  const connection = new DatabaseSync(path)
  connection.prepare('VACUUM INTO ?').run(to)
  connection.close()
}

function execute(path: string, sql: string, ...params: SQLInputValue[]): void {
  const connection = new DatabaseSync(path)
  connection.prepare(sql).run(...params)
  connection.close()
}

test('KF-B06 neither giving out nor spending a nonce writes anything', async () => {
  const clock = new FakeClock()
  const path = await newPath()
  const store = await open(path, clock)
  const beside = new DatabaseSync(path)
  const version = () => beside.prepare('PRAGMA data_version').get()?.['data_version']
  const before = version()
  for (let i = 0; i < 1000; i++) assert.equal(await spend(store, clock, give(store, clock)), true)
  assert.equal(version(), before)
  beside.close()
  await store.close()
})

test('KF-B06 after a crash every nonce given out before is refused, spent or not, however often it crashes', async () => {
  const clock = new FakeClock()
  const [path, crashed, again] = [await newPath(), await newPath(), await newPath()]
  const store = await open(path, clock)
  const [spent, kept] = [give(store, clock), give(store, clock)]
  assert.equal(await spend(store, clock, spent), true)
  copyOf(path, crashed)
  await store.close()

  const next = await open(crashed, clock)
  const given = give(next, clock)
  for (const id of [spent, kept]) assert.equal(await spend(next, clock, id), false)
  assert.equal(await spend(next, clock, given), true)
  copyOf(crashed, again)
  await next.close()

  const last = await open(again, clock)
  for (const id of [spent, kept, given]) assert.equal(await spend(last, clock, id), false)
  await last.close()
})

test('KF-B06 a crash right after a clean restart revives nothing of the run before', async () => {
  const clock = new FakeClock()
  const [path, crashed] = [await newPath(), await newPath()]
  const first = await open(path, clock)
  const [spentBefore, spentAfter] = [give(first, clock), give(first, clock)]
  await spend(first, clock, spentBefore)
  await first.close()

  const second = await open(path, clock)
  copyOf(path, crashed)
  assert.equal(await spend(second, clock, spentAfter), true, 'a clean stop keeps what was not spent')
  await second.close()

  const third = await open(crashed, clock)
  for (const id of [spentBefore, spentAfter]) assert.equal(await spend(third, clock, id), false)
  await third.close()
})

test('KF-E12 spent nonces that were damaged on disk are not trusted: all older ones are refused', async () => {
  for (const damage of [
    'UPDATE nonce_ledger SET spent = zeroblob(length(spent))',
    'UPDATE nonce_ledger SET spent = substr(spent, 1, 6)',
    "UPDATE nonce_ledger SET generation = x'00'",
    'DELETE FROM nonce_ledger',
  ]) {
    const clock = new FakeClock()
    const path = await newPath()
    const first = await open(path, clock)
    const [spent, kept] = [give(first, clock), give(first, clock)]
    await spend(first, clock, spent)
    await first.close()
    execute(path, damage)
    const second = await open(path, clock)
    for (const id of [spent, kept]) assert.equal(await spend(second, clock, id), false, damage)
    assert.equal(await spend(second, clock, give(second, clock)), true)
    await second.close()
  }
})

test('KF-E09 KF-B06 a clock that jumps ahead over a restart and back again revives nothing', async () => {
  const clock = new FakeClock()
  const path = await newPath()
  const first = await open(path, clock)
  const [spent, kept] = [give(first, clock), give(first, clock)]
  await spend(first, clock, spent)
  clock.setWall(later(clock.now(), hours(5)))
  await first.close()
  const second = await open(path, clock)
  give(second, clock)
  clock.setWall(later(clock.now(), -hours(5)))
  for (const id of [spent, kept]) assert.equal(await spend(second, clock, id), false)
  await second.close()
})

test('an id of another form, of another generation, or not given out yet is refused', async () => {
  const clock = new FakeClock()
  const ledger = new NonceLedger(Buffer.from('000000000001', 'hex'), { clock })
  const other = new NonceLedger(Buffer.from('000000000002', 'hex'), { clock })
  const mine = give(ledger, clock)
  const notYet = Buffer.from('000000000001000000000001', 'hex').toString('base64url')
  for (const id of ['', 'a', 'A'.repeat(17), '*'.repeat(16), give(other, clock), notYet])
    assert.equal(await ledger.spend(id), false, id)
  assert.equal(await ledger.spend(mine), true)
})

test('KF-B06 nonces beyond the bound make the oldest void, spent or not, and never revive one', async () => {
  const clock = new FakeClock()
  const ledger = new NonceLedger(Buffer.alloc(6), { clock, maxPages: 2 })
  const ids = Array.from({ length: 3 * PAGE }, () => give(ledger, clock))
  assert.equal(await ledger.spend(ids[0]!), false)
  assert.equal(await ledger.spend(ids[PAGE - 1]!), false)
  assert.equal(await ledger.spend(ids[PAGE]!), true)
  assert.equal(await ledger.spend(ids[PAGE]!), false)
  assert.equal(await ledger.spend(ids.at(-1)!), true)
})

test('what is kept for the next process is what is not expired, and nothing else', async () => {
  const clock = new FakeClock()
  const ledger = new NonceLedger(Buffer.alloc(6), { clock })
  const early = Array.from({ length: PAGE }, () => give(ledger, clock))
  for (const id of early.slice(0, 100)) await ledger.spend(id)
  await clock.advance(hours(1))
  const late = Array.from({ length: 10 }, () => give(ledger, clock))
  await ledger.spend(late[3]!)
  const left = ledger.close()
  await assert.rejects(ledger.spend(late[4]!), { code: 'failed' })
  assert.deepEqual([...left.pages.keys()], [1])

  const kept = decodeSpent(encodeSpent(left))
  assert.ok(kept)
  const next = new NonceLedger(Buffer.alloc(6), { clock, kept })
  const outcomes = await Promise.all(late.map((id) => next.spend(id)))
  assert.deepEqual(
    outcomes,
    late.map((_, index) => index !== 3),
  )
  const fresh = give(next, clock)
  assert.ok(!early.includes(fresh) && !late.includes(fresh))
})
