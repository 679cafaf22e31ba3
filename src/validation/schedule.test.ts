import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ValidationJob } from '../store/records.ts'
import { type HeldJob, Schedule } from './schedule.ts'

let serial = 0
function held(host: string, accountId = `acc_${serial}`): HeldJob {
  const job = {
    challenge: { id: `chl_${serial++}` },
    authorization: { identifier: { type: 'dns', value: host }, accountId },
  } as unknown as ValidationJob
  return { job, leaseEndsMs: 0 }
}

function takeAll(schedule: Schedule): HeldJob[] {
  const taken: HeldJob[] = []
  for (let next = schedule.take(); next !== undefined; next = schedule.take()) taken.push(next)
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
