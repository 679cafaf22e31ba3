import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { RecordingLogger } from '../../test/support/recorders.ts'
import type { ChallengeId } from '../lib/ids.ts'
import type { ValidationJob } from '../store/records.ts'
import type { ValidationJobStore } from '../store/store.ts'
import { LEASE_SECONDS, LeaseKeeper } from './lease-keeper.ts'
import { type HeldJob, Schedule } from './schedule.ts'

const LEASE_MS = LEASE_SECONDS * 1000

/** A keeper beside a table of leases, to which time can be done. */
function aKeeper() {
  const clock = new FakeClock()
  const log = new RecordingLogger()
  const schedule = new Schedule(10)
  /** When the lease of each row ends by the wall clock; a row that is missing is nobody's, or another's. */
  const table = new Map<string, number>()
  const renewals: (readonly string[])[] = []
  const givenBack: string[] = []
  const ways: { renew: ValidationJobStore['renew'] } = {
    renew: async (ids, { leaseUntil }) => {
      renewals.push(ids)
      const kept = ids.filter((id) => table.has(id))
      for (const id of kept) table.set(id, leaseUntil.getTime())
      return kept
    },
  }
  const renew: ValidationJobStore['renew'] = (ids, options) => ways.renew(ids, options)
  const keeper = new LeaseKeeper({
    clock,
    log,
    store: { validationJobs: { renew } as ValidationJobStore },
    owner: 'runner',
    schedule,
    giveBack: (id) => givenBack.push(id),
  })
  let serial = 0
  const hold = (): HeldJob => {
    const name = `${serial++}`
    const authorization = { identifier: { type: 'dns', value: `${name}.test` }, accountId: `acc_${name}` }
    const job = { attempts: 0, challenge: { id: `chl_${name}` }, authorization } as unknown as ValidationJob
    const held: HeldJob = { job, leaseEndsMs: clock.monotonicMs() + LEASE_MS }
    table.set(idOf(held), clock.now().getTime() + LEASE_MS)
    assert.ok(schedule.add(held))
    keeper.watch(held)
    return held
  }
  const lapsed = (): string[] => [...table].filter(([, until]) => until <= clock.now().getTime()).map(([id]) => id)
  return { clock, log, schedule, table, renewals, givenBack, ways, keeper, hold, lapsed }
}

function idOf({ job }: HeldJob): ChallengeId {
  return job.challenge.id
}

test('while nothing is held there is no renewal and no timer', async () => {
  const { clock, renewals, keeper } = aKeeper()
  await clock.advance(3_600_000)
  assert.deepEqual([renewals.length, clock.sleeping], [0, 0])
  await keeper.stop()
})

test('jobs that are done within a second cost no renewal, however many come', async () => {
  const { clock, schedule, renewals, hold } = aKeeper()
  for (let i = 0; i < 200; i++) {
    const held = hold()
    schedule.take(clock.monotonicMs())
    await clock.advance(300)
    schedule.done(held, 'proved')
  }
  await clock.advance(60_000)
  assert.deepEqual([renewals.length, clock.sleeping], [0, 0])
})

test('many jobs that come at different times are renewed together, about every five seconds, and no lease ends', async () => {
  const { clock, renewals, hold, lapsed, keeper } = aKeeper()
  for (let i = 0; i < 60; i++) {
    hold()
    await clock.advance(100)
  }
  const before = renewals.length
  for (let second = 0; second < 60; second++) {
    await clock.advance(1000)
    assert.deepEqual(lapsed(), [])
  }
  const later = renewals.slice(before)
  assert.ok(later.length >= 11 && later.length <= 16, `${later.length} renewals in a minute`)
  for (const ids of later.slice(2)) assert.equal(ids.length, 60)
  await keeper.stop()
})

test('a living holder leaves a clock elsewhere at least nine seconds to be ahead, also when jobs come all the time', async () => {
  const { clock, schedule, table, hold, keeper } = aKeeper()
  const running: HeldJob[] = []
  for (let i = 0; i < 300; i++) {
    running.push(hold())
    schedule.take(clock.monotonicMs())
    await clock.advance(700)
    for (const [id, until] of table) assert.ok(until - clock.now().getTime() > 9_000, id)
    const ended = running.length > 20 ? running.shift() : undefined
    if (ended === undefined) continue
    schedule.done(ended)
    table.delete(idOf(ended))
  }
  await keeper.stop()
})

test('KF-E13 who cannot renew begins nothing, lets go of what waits when the leases end, and goes on trying until then', async () => {
  const { clock, log, schedule, ways, keeper, hold } = aKeeper()
  const [runs, waits] = [hold(), hold()]
  assert.equal(schedule.take(clock.monotonicMs()), runs)
  let tries = 0
  ways.renew = async () => {
    tries++
    throw new Error('the database is away')
  }
  await clock.advance(9_000)
  assert.ok(keeper.mayBegin(waits))
  await clock.advance(2_000)
  assert.ok(!keeper.mayBegin(waits), 'too near its end')
  assert.equal(schedule.find(idOf(waits)), waits)
  await clock.advance(5_000)
  assert.deepEqual([schedule.find(idOf(waits)), schedule.find(idOf(runs))], [undefined, runs])
  assert.ok(!keeper.mayBegin(runs))
  assert.ok(tries >= 4 && tries <= 6, `${tries} tries`)
  assert.equal(log.of('validation.leases_not_renewed').length, tries)
  assert.deepEqual(
    log.of('validation.leases_lost').map(({ jobs }) => jobs),
    [2],
  )
  await clock.advance(60_000)
  assert.ok(tries <= 6, 'what is lost is not asked for')
})

test('a renewal that works again in time keeps everything', async () => {
  const { clock, log, ways, keeper, hold, lapsed } = aKeeper()
  const held = hold()
  const works = ways.renew
  ways.renew = async () => {
    throw new Error('the database is away')
  }
  await clock.advance(12_000)
  ways.renew = works
  await clock.advance(60_000)
  assert.ok(keeper.mayBegin(held))
  assert.deepEqual([lapsed(), log.of('validation.leases_lost').length], [[], 0])
  await keeper.stop()
})

test('KF-E13 while a renewal hangs, the monotonic clock alone says that nothing may begin; its late answer loses nothing more', async () => {
  const { clock, schedule, ways, keeper, hold } = aKeeper()
  const held = hold()
  const answer = Promise.withResolvers<ChallengeId[]>()
  ways.renew = () => answer.promise
  await clock.advance(10_001)
  clock.setWall(new Date(clock.now().getTime() - 3_600_000))
  assert.ok(!keeper.mayBegin(held))
  answer.resolve([])
  await clock.advance(0)
  await clock.advance(1)
  assert.equal(schedule.find(idOf(held)), undefined)
})

test('KF-E13 a job that another took over is let go if it waits; of one that runs the lease is asked for no more', async () => {
  const { clock, schedule, table, renewals, keeper, hold } = aKeeper()
  const [runs, waits, stays] = [hold(), hold(), hold()]
  assert.equal(schedule.take(clock.monotonicMs()), runs)
  table.delete(idOf(runs))
  table.delete(idOf(waits))
  await clock.advance(20_000)
  assert.deepEqual([schedule.find(idOf(waits)), schedule.find(idOf(runs))], [undefined, runs])
  assert.ok(!keeper.mayBegin(runs))
  assert.ok(keeper.mayBegin(stays))
  for (const ids of renewals.slice(1)) assert.deepEqual(ids, [idOf(stays)])
  await keeper.stop()
})

test('after a stall of the whole process everything that was held counts as lost, before the table is asked', async () => {
  const { clock, schedule, renewals, hold } = aKeeper()
  const held = hold()
  const stalled = Object.assign(new FakeClock(), { monotonicMs: () => clock.monotonicMs() + 30_000 })
  const keeper = new LeaseKeeper({
    clock: stalled,
    log: new RecordingLogger(),
    store: { validationJobs: { renew: assert.fail } as unknown as ValidationJobStore },
    owner: 'runner',
    schedule,
    giveBack: () => {},
  })
  keeper.watch(held)
  await stalled.advance(0)
  assert.deepEqual([schedule.find(idOf(held)), renewals.length], [undefined, 0])
})

test('a lease that was renewed for a job that is not held any more is given back', async () => {
  const { clock, schedule, ways, givenBack, keeper, hold } = aKeeper()
  const held = hold()
  schedule.take(clock.monotonicMs())
  const works = ways.renew
  ways.renew = (ids, options) => {
    schedule.done(held)
    return works(ids, options)
  }
  await clock.advance(6_000)
  assert.deepEqual(givenBack, [idOf(held)])
  await keeper.stop()
})

test('an attempt that never ends does not keep its lease for ever', async () => {
  const { clock, schedule, hold, lapsed } = aKeeper()
  const held = hold()
  schedule.take(clock.monotonicMs())
  held.overdueMs = clock.monotonicMs() + 60_000
  await clock.advance(60_000)
  assert.deepEqual(lapsed(), [])
  await clock.advance(20_000)
  assert.deepEqual(lapsed(), [idOf(held)])
})

test('nothing is renewed after the stop', async () => {
  const { clock, renewals, keeper, hold } = aKeeper()
  hold()
  await keeper.stop()
  hold()
  await clock.advance(60_000)
  assert.deepEqual([renewals.length, clock.sleeping], [0, 0])
})
