import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { createClockGuard } from './clock-guard.ts'

function guarded() {
  const clock = new FakeClock('2026-03-01T12:00:00Z')
  const jump = (seconds: number): void => clock.setWall(new Date(clock.now().getTime() + seconds * 1000))
  return { clock, jump, guard: createClockGuard({ clock, toleranceSeconds: 60 }) }
}

test('KF-E09 wall time may go back by the tolerance and no further', () => {
  const { guard, jump } = guarded()
  jump(-60)
  guard.check()
  jump(-1)
  assert.throws(() => guard.check(), { name: 'ClockError', message: /61 s behind/ })
  jump(1)
  guard.check()
})

test('KF-E09 many small steps back do not add up unseen', () => {
  const { guard, jump } = guarded()
  for (let step = 0; step < 6; step++) {
    jump(-10)
    guard.check()
  }
  jump(-1)
  assert.throws(() => guard.check(), { name: 'ClockError' })
})

test('KF-E09 a wall clock that stands still while time passes is found', async () => {
  const { guard, clock } = guarded()
  const stopped = clock.now()
  await clock.advance(61_000)
  clock.setWall(stopped)
  assert.throws(() => guard.check(), { name: 'ClockError' })
})

test('KF-E09 jumps forward by an hour or a year are followed, and coming back from them is not', () => {
  for (const seconds of [3600, 365 * 86_400]) {
    const { guard, jump } = guarded()
    jump(seconds)
    guard.check()
    jump(-seconds)
    assert.throws(() => guard.check(), { name: 'ClockError' })
  }
})

test('KF-E09 a day in which both clocks go on alike is no reason to stop', async () => {
  const { guard, clock } = guarded()
  for (let hour = 0; hour < 24; hour++) {
    await clock.advance(3_600_000)
    guard.check()
  }
})

test('KF-E09 what processes before this one have seen counts, until the clock has come past it', async () => {
  const clock = new FakeClock('2026-03-01T12:00:00Z')
  const newestSeen = new Date('2026-03-01T13:00:00Z')
  const guard = createClockGuard({ clock, toleranceSeconds: 60, newestSeen })
  assert.throws(() => guard.check(), { name: 'ClockError', message: /12:00:00.* but the store has seen .*13:00:00/ })
  assert.match(guard.problem()?.message ?? '', /chancery clock accept/)
  await clock.advance(3_540_000 - 1)
  assert.throws(() => guard.check(), { name: 'ClockError' })
  await clock.advance(1)
  guard.check()
  assert.equal(guard.problem(), undefined)
})
