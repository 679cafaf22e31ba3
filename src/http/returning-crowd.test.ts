import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { ReturningCrowd, spread } from './returning-crowd.ts'

/** Takes so much new work per second for some seconds, each refusing one more. */
function busyAt(rate: number): { crowd: ReturningCrowd; nowMs: number } {
  const crowd = new ReturningCrowd()
  let nowMs = 10_000
  for (let i = 0; i < rate * 16; i++) {
    crowd.taken(nowMs)
    if (i % rate === 0) crowd.appointment(nowMs)
    nowMs += 1000 / rate
  }
  return { crowd, nowMs }
}

test('KF-F07 CQ-L07 a crowd that is sent away returns as a stream, about as fast as new work is taken', () => {
  const { crowd, nowMs } = busyAt(100)
  assert.ok(Math.abs(crowd.rate - 100) < 10, `${crowd.rate}`)
  const random = new SeededRandom('crowd')
  const perSecond = new Map<number, number>()
  for (let i = 0; i < 5000; i++) {
    const seconds = spread(crowd.appointment(nowMs), random)
    assert.ok(Number.isInteger(seconds) && seconds >= 1)
    perSecond.set(seconds, (perSecond.get(seconds) ?? 0) + 1)
  }
  const last = Math.max(...perSecond.keys())
  assert.ok(last > 20 && last < 40, `the last returns after ${last} s`)
  for (const [second, count] of perSecond) assert.ok(count < 400, `${count} return in second ${second}`)
})

test('appointments that passed are forgotten, and none is later than five minutes', () => {
  const { crowd, nowMs } = busyAt(10)
  for (let i = 0; i < 100_000; i++) assert.ok(crowd.appointment(nowMs) <= 300)
  assert.ok(crowd.appointment(nowMs) > 200)
  assert.equal(crowd.appointment(nowMs + 400_000), 1)
})

test('a server that was idle is not taken for a slow one', () => {
  const crowd = new ReturningCrowd()
  for (let second = 0; second < 60; second++) crowd.taken(second * 1000)
  assert.ok(crowd.rate >= 50)
})
