import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aChallenge, at, PROBLEM } from '../../../test/support/order-facts.ts'
import { challengeStatus } from './challenge.ts'

const responded = { respondedAt: at(-20) }
const ended = ['valid', 'invalid', 'deactivated', 'expired', 'revoked'] as const

test('a challenge is pending until it is answered, then processing, then valid or invalid', () => {
  assert.equal(challengeStatus(aChallenge(), 'pending'), 'pending')
  assert.equal(challengeStatus(aChallenge(responded), 'pending'), 'processing')
  assert.equal(challengeStatus(aChallenge({ ...responded, validatedAt: at(0) }), 'valid'), 'valid')
  assert.equal(challengeStatus(aChallenge({ ...responded, failedAt: at(0), error: PROBLEM }), 'invalid'), 'invalid')
})

test('an error noted between two tries does not end a challenge', () => {
  assert.equal(challengeStatus(aChallenge({ ...responded, error: PROBLEM }), 'pending'), 'processing')
})

test('KF-A21 an ended challenge keeps its status whatever becomes of its authorization', () => {
  for (const authorization of ended) {
    assert.equal(challengeStatus(aChallenge({ ...responded, validatedAt: at(0) }), authorization), 'valid')
    assert.equal(challengeStatus(aChallenge({ ...responded, failedAt: at(0) }), authorization), 'invalid')
  }
})

test('a challenge that was under way when its authorization ended is invalid, so that polling it comes to an end', () => {
  for (const authorization of ended) assert.equal(challengeStatus(aChallenge(responded), authorization), 'invalid')
})

test('a challenge that was never tried stays pending when its authorization ended', () => {
  for (const authorization of ended) assert.equal(challengeStatus(aChallenge(), authorization), 'pending')
})
