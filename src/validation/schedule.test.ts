import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ValidationJob } from '../store/records.ts'
import { Doubts } from './doubts.ts'
import { type HeldJob, Schedule } from './schedule.ts'

let serial = 0
function held(host: string, accountId = `acc_${serial}`, attempts = 0): HeldJob {
  const job = {
    attempts,
    challenge: { id: `chl_${serial++}` },
    authorization: { identifier: { type: 'dns', value: host }, accountId },
  } as unknown as ValidationJob
  return { job, leaseEndsMs: 0 }
}

function takeAll(schedule: Schedule, nowMs = 0): HeldJob[] {
  const taken: HeldJob[] = []
  for (let next = schedule.take(nowMs); next !== undefined; next = schedule.take(nowMs)) taken.push(next)
  return taken
}

test('KF-F08 one host has at most 32 attempts under way, and a thousand jobs at it hold up no other', () => {
  const schedule = new Schedule(256)
  for (let i = 0; i < 1000; i++) schedule.add(held('victim.test'))
  for (let i = 0; i < 10; i++) schedule.add(held(`good-${i}.test`))
  const taken = takeAll(schedule)
  const hosts = taken.map(({ job }) => job.authorization.identifier.value)
  assert.equal(hosts.filter((host) => host === 'victim.test').length, 32)
  assert.equal(hosts.length, 42)
})

test('KF-F08 one account has at most half of the places', () => {
  const schedule = new Schedule(10)
  for (let i = 0; i < 20; i++) schedule.add(held(`n${i}.test`, 'acc_greedy'))
  schedule.add(held('other.test', 'acc_other'))
  const accounts = takeAll(schedule).map(({ job }) => job.authorization.accountId)
  assert.deepEqual([accounts.length, accounts.at(-1)], [6, 'acc_other'])
})

test('no more run than the concurrency, and a place is used again once its job is done', () => {
  const schedule = new Schedule(4)
  for (let i = 0; i < 6; i++) schedule.add(held(`n${i}.test`))
  const [first, ...others] = takeAll(schedule)
  assert.equal(others.length, 3)
  assert.ok(first)
  schedule.done(first)
  schedule.done(first)
  assert.equal(takeAll(schedule).length, 1)
  assert.equal(schedule.running, 4)
})

test('KF-A21 a job that is held already is not taken a second time', () => {
  const schedule = new Schedule(4)
  const one = held('a.test')
  assert.deepEqual([schedule.add(one), schedule.add(one)], [true, false])
  assert.equal(takeAll(schedule).length, 1)
  assert.equal(schedule.add(one), false)
})

test('what is beyond the backlog is left in the table', () => {
  const schedule = new Schedule(2)
  const added = Array.from({ length: 40 }, () => schedule.add(held('a.test')))
  assert.equal(added.filter(Boolean).length, 16)
  assert.equal(schedule.room, 0)
})

test('KF-F04 attempts that wait for targets that never answer give their places up to the others', () => {
  const schedule = new Schedule(8)
  for (let i = 0; i < 40; i++) schedule.add(held(`dead-${i}.test`))
  assert.equal(takeAll(schedule, 0).length, 8)
  schedule.add(held('good.test'))
  assert.equal(takeAll(schedule, 999).length, 0)
  // Each second the next eight: those before them only wait.
  for (let second = 1; second <= 4; second++) assert.equal(takeAll(schedule, second * 1_000).length, 8)
  const first = schedule.take(5_000)
  assert.equal(first?.job.authorization.identifier.value, 'good.test')
  for (let i = 0; i < 40; i++) schedule.add(held(`deader-${i}.test`))
  for (let second = 5; second <= 60; second++) takeAll(schedule, second * 1_000)
  assert.equal(schedule.running, 64, 'seven times as many as places may be slow, and no more')
})

test('KF-F04 jobs that failed before have half of the places, and go after the others', () => {
  const schedule = new Schedule(8)
  for (let i = 0; i < 60; i++) schedule.add(held(`retry-${i}.test`, `acc_retry_${i}`, 1))
  for (let i = 0; i < 3; i++) schedule.add(held(`new-${i}.test`))
  const hosts = takeAll(schedule).map(({ job }) => job.authorization.identifier.value)
  assert.deepEqual(hosts.slice(0, 3), ['new-0.test', 'new-1.test', 'new-2.test'])
  assert.equal(hosts.length, 7)
  assert.equal(takeAll(schedule).length, 0, 'the other half is for those who may succeed')
  schedule.add(held('newer.test'))
  assert.equal(takeAll(schedule).length, 1)
})

test('KF-F04 an account that only fails is doubted until it succeeds; its jobs do not fill the line of the others', () => {
  const schedule = new Schedule(4)
  const run = (host: string, account: string, outcome: 'proved' | 'failed'): void => {
    schedule.add(held(host, account))
    for (const job of takeAll(schedule)) schedule.done(job, outcome)
  }
  for (let i = 0; i < 3; i++) run(`gone-${i}.test`, 'acc_hopeless', 'failed')
  run('fine.test', 'acc_good', 'proved')
  for (let i = 0; i < 1000; i++) schedule.add(held(`gone-again-${i}.test`, 'acc_hopeless'))
  assert.equal(schedule.waiting, 0)
  assert.equal(schedule.room, 4)
  assert.ok(schedule.add(held('fine.test', 'acc_good')))
  assert.equal(schedule.take(0)?.job.authorization.accountId, 'acc_good')
  const [doubted] = takeAll(schedule)
  assert.ok(doubted)
  schedule.done(doubted, 'proved')
  schedule.add(held('back.test', 'acc_hopeless'))
  assert.equal(schedule.waiting, 1)
})

test('KF-F05 what is remembered of failures is bounded', () => {
  const doubts = new Doubts()
  for (let i = 0; i < 4; i++) doubts.note('first', 'failed')
  assert.equal(doubts.has('first'), true)
  for (let i = 0; i < 25_000; i++) doubts.note(`host-${i}`, 'failed')
  assert.equal(doubts.has('first'), false)
})
