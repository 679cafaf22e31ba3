import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { createDeletionTime } from './deletion-time.ts'

const HOUR_MS = 3_600_000

test('KF-E09 a wall clock that jumps ahead deletes nothing before its time', async () => {
  const clock = new FakeClock('2026-03-01T12:00:00Z')
  const deletionTime = createDeletionTime(clock)
  await clock.advance(HOUR_MS)
  clock.setWall(new Date('2027-03-01T12:00:00Z'))
  assert.equal(deletionTime().toISOString(), '2026-03-01T13:00:00.000Z')
  await clock.advance(HOUR_MS)
  assert.equal(deletionTime().toISOString(), '2026-03-01T14:00:00.000Z')
})

test('KF-E09 a wall clock that went back is followed', async () => {
  const clock = new FakeClock('2026-03-01T12:00:00Z')
  const deletionTime = createDeletionTime(clock)
  await clock.advance(HOUR_MS)
  clock.setWall(new Date('2026-03-01T10:00:00Z'))
  assert.equal(deletionTime().toISOString(), '2026-03-01T10:00:00.000Z')
})
