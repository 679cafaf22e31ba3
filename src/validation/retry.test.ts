import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChallengeType, ValidationJob } from '../store/records.ts'
import { ValidationFailure } from './failure.ts'
import { nextAttempt } from './retry.ts'

const CONFIG = { attempts: 3, dnsAttempts: 8, retryAfter: 5 }
const START = new Date('2026-03-01T12:00:00Z')
const FAILURE = new ValidationFailure('connection', 'nobody answered')

/** Whether another attempt follows the one that is number `made + 1`, so many seconds after the start. */
function goesOn(type: ChallengeType, made: number, seconds: number, failure = FAILURE): boolean {
  const job = { attempts: made, startedAt: START, challenge: { type } } as ValidationJob
  const now = new Date(START.getTime() + seconds * 1000)
  const next = nextAttempt(job, failure, CONFIG, now)
  if (next !== undefined) assert.equal(next.getTime() - now.getTime(), 5_000)
  return next !== undefined
}

test('CQ-V06 http-01 and tls-alpn-01 end after three attempts', () => {
  for (const type of ['http-01', 'tls-alpn-01'] as const) {
    assert.deepEqual(
      [0, 1, 2].map((made) => goesOn(type, made, made * 5)),
      [true, true, false],
    )
  }
})

test('CQ-V13 dns-01 is tried for at least 30 seconds, also when a client hastens every attempt', () => {
  assert.equal(goesOn('dns-01', 6, 30), true)
  assert.equal(goesOn('dns-01', 7, 35), false)
  assert.equal(goesOn('dns-01', 20, 20), true)
})

test('however often it is hastened, a job ends', () => {
  assert.equal(goesOn('dns-01', 31, 1), false)
  assert.equal(goesOn('http-01', 11, 0), false)
})

test('a hopeless failure is the end at once', () => {
  assert.equal(goesOn('dns-01', 0, 0, new ValidationFailure('malformed', 'never', { hopeless: true })), false)
})
