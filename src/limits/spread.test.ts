import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { retryAfterSeconds } from './spread.ts'

test('KF-F07 a crowd refused together is told to come back at different times, nobody too soon', () => {
  const random = new SeededRandom('crowd')
  for (const waitMs of [0, 1, 999, 10_000, 3_600_000, 86_400_000]) {
    const told = Array.from({ length: 1000 }, () => retryAfterSeconds(waitMs, random))
    const longest = waitMs / 1000 + Math.min(900, Math.max(5, waitMs / 2000)) + 1
    for (const seconds of told) {
      assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds >= waitMs / 1000 && seconds <= longest)
    }
    assert.ok(new Set(told).size >= 5, `all of the crowd at ${told[0]} s`)
  }
})
