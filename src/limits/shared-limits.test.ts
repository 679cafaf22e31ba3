import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { RecordingLogger } from '../../test/support/recorders.ts'
import { openTestStore, type TestStore } from '../../test/support/store.ts'
import type { LimitStore } from '../store/limit-store.ts'
import { openSqliteStore } from '../store/sqlite/engine.ts'
import { StoreError } from '../store/store.ts'
import { type Charge, SharedLimits } from './shared-limits.ts'

let clock: FakeClock
let opened: TestStore
let log: RecordingLogger
let calls: string[]
beforeEach(async () => {
  clock = new FakeClock()
  opened = await openTestStore(clock)
  log = new RecordingLogger()
  calls = []
})
afterEach(() => opened.cleanup())

/** A process's share, counting what it asks of the store. */
function aProcess(store: LimitStore = opened.store.limits): SharedLimits {
  const counting: LimitStore = {
    ...store,
    take: (requests, now) => {
      calls.push(requests.map(({ key }) => key).join(' '))
      return store.take(requests, now)
    },
  }
  return new SharedLimits({ store: counting, clock, log })
}

const charge = (units: number, burst: number, key = 'k'): Charge => ({
  key,
  rule: { intervalUs: 1_000_000, burst },
  units,
})

async function takeAll(limits: SharedLimits, of: Charge): Promise<number> {
  for (let through = 0; ; through++) if (!(await limits.take([of])).ok) return through
}

test('KF-F05 exactly the burst goes through, small or large, and then what comes back', async () => {
  for (const burst of [1, 7, 199, 200, 5000]) {
    const limits = aProcess()
    const of = charge(1, burst, `burst ${burst}`)
    assert.equal(await takeAll(limits, of), burst)
    await clock.advance(3000)
    assert.equal(await takeAll(limits, of), Math.min(3, burst))
  }
})

test('a large limit asks the store once for every hundredth of its burst', async () => {
  const limits = aProcess()
  for (let i = 0; i < 1000; i++) assert.equal((await limits.take([charge(1, 50_000)])).ok, true)
  assert.equal(calls.length, 2)
})

test('a crowd that comes at once gets exactly the burst, by few questions to the store', async () => {
  const limits = aProcess()
  const outcomes = await Promise.all(Array.from({ length: 3000 }, () => limits.take([charge(1, 1000)])))
  assert.equal(outcomes.filter(({ ok }) => ok).length, 1000)
  assert.ok(calls.length <= 101, String(calls.length))
})

test('replicas on one store let no more through together than one alone', async () => {
  const other = await openSqliteStore({ path: opened.path, clock })
  const [a, b] = [aProcess(), aProcess(other.limits)]
  const outcomes = await Promise.all(
    Array.from({ length: 600 }, (_, i) => (i % 2 === 0 ? a : b).take([charge(1, 400)])),
  )
  assert.equal(outcomes.filter(({ ok }) => ok).length, 400)
  for (const process of [a, b]) assert.equal((await process.take([charge(1, 400)])).ok, false)
  await other.close()
})

test('all of several keys or none: what one refuses is taken from no other', async () => {
  const limits = aProcess()
  await takeAll(limits, charge(1, 2, 'small'))
  for (let i = 0; i < 10; i++) {
    const outcome = await limits.take([charge(5, 40, 'wide'), charge(1, 2, 'small')])
    assert.deepEqual(outcome, { ok: false, key: 'small', waitMs: 1000 })
  }
  assert.equal(await takeAll(limits, charge(1, 40, 'wide')), 40)
})

test('KF-F03 an order pays for each of its names, and one too large for the burst takes all of it', async () => {
  const limits = aProcess()
  assert.equal((await limits.take([charge(100, 250)])).ok, true)
  assert.equal((await limits.take([charge(100, 250)])).ok, true)
  assert.deepEqual(await limits.take([charge(100, 250)]), { ok: false, key: 'k', waitMs: 50_000 })
  assert.equal((await limits.take([charge(50, 250)])).ok, true, 'a smaller one still fits')
  assert.equal((await limits.take([charge(100, 50, 'tiny')])).ok, true)
  assert.equal((await limits.take([charge(1, 50, 'tiny')])).ok, false)
})

test('who knocks on while refused costs the store nothing', async () => {
  const limits = aProcess()
  await takeAll(limits, charge(1, 10))
  const before = calls.length
  for (let i = 0; i < 1000; i++) await limits.take([charge(1, 10)])
  assert.equal(calls.length, before)
  await clock.advance(1000)
  assert.equal((await limits.take([charge(1, 10)])).ok, true)
})

test('what is given back can be taken again', async () => {
  const limits = aProcess()
  const of = charge(1, 10)
  assert.equal((await limits.take([of])).ok, true)
  limits.giveBack([of])
  assert.equal(await takeAll(limits, of), 10)
})

test('units that a process holds too long are no longer good, for they have come back in the store', async () => {
  const limits = aProcess()
  const of = charge(1, 1000)
  assert.equal((await limits.take([of])).ok, true)
  await clock.advance(10_000_000)
  assert.equal(await takeAll(limits, of), 1000)
})

test('what has happened is counted without asking, and who asks next finds it used', async () => {
  const limits = aProcess()
  const asks = charge(0, 100)
  assert.equal((await limits.take([asks])).ok, true)
  limits.spend([charge(150, 100)])
  await limits.settled()
  assert.deepEqual(await limits.take([asks]), { ok: false, key: 'k', waitMs: 1000 })
  const elsewhere = aProcess()
  assert.equal((await elsewhere.take([asks])).ok, false, 'other processes know of it')
  await clock.advance(1000)
  assert.equal((await elsewhere.take([asks])).ok, true)
})

test('a store that cannot count what happened fails nobody, and one that cannot be asked lets nobody through', async () => {
  const broken = async (): Promise<never> => {
    throw new StoreError('full', 'disk full')
  }
  const limits = aProcess({ ...opened.store.limits, take: broken, spend: broken })
  limits.spend([charge(5, 100)])
  await limits.settled()
  assert.equal(log.of('limits.not_counted').length, 1)
  await assert.rejects(limits.take([charge(1, 100)]), StoreError)
})

test('KF-F05 keys of twenty-five thousand requesters are forgotten again, and nobody is let through for more', async () => {
  const limits = aProcess({
    ...opened.store.limits,
    take: async (requests) => ({ outcome: 'taken', units: requests.map(({ most }) => most) }),
  })
  for (let i = 0; i < 25_000; i++) await limits.take([charge(1, 1000, `key ${i}`)])
  assert.ok(limits.remembered <= 10_000)
})
