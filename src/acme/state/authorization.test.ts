import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuthorizationStateName } from '../../../test/support/order-facts.ts'
import { aChallenge, anAuthorization, at, NOON } from '../../../test/support/order-facts.ts'
import { authorizationStatus } from './authorization.ts'

test('KF-E05 every set of facts has one status', () => {
  const table: Record<AuthorizationStateName, string> = {
    pending: 'pending',
    processing: 'pending',
    valid: 'valid',
    invalid: 'invalid',
    deactivated: 'deactivated',
    expired: 'expired',
    'expired valid': 'expired',
    revoked: 'revoked',
  }
  for (const [state, expected] of Object.entries(table) as [AuthorizationStateName, string][]) {
    assert.equal(authorizationStatus(anAuthorization({ state }), NOON), expected, state)
  }
})

test('an authorization expires at its instant, not after it', () => {
  for (const state of ['pending', 'valid'] as const) {
    const authorization = anAuthorization({ state, expiresAt: at(60) })
    assert.equal(authorizationStatus(authorization, at(59.999)), state)
    assert.equal(authorizationStatus(authorization, at(60)), 'expired')
  }
})

test('an authorization that failed, was given up or was withdrawn does not become expired later', () => {
  for (const state of ['invalid', 'deactivated', 'revoked'] as const) {
    assert.equal(authorizationStatus(anAuthorization({ state }), at(1_000_000)), state)
  }
})

test('KF-A21 should one challenge have failed and another succeeded, nothing is proved', () => {
  const both = [aChallenge({ validatedAt: at(-2) }), aChallenge({ type: 'dns-01', failedAt: at(-1) })]
  assert.equal(authorizationStatus(anAuthorization({ challenges: both }), NOON), 'invalid')
})

test('KF-E09 a proof that lies ahead of the clock proves nothing', () => {
  const dated = (seconds: number) => [aChallenge({ validatedAt: at(seconds) })]
  const expiresAt = at(90 * 86_400)
  assert.equal(authorizationStatus(anAuthorization({ challenges: dated(60), expiresAt }), NOON), 'valid')
  assert.equal(authorizationStatus(anAuthorization({ challenges: dated(61), expiresAt }), NOON), 'expired')
})

test('one valid challenge among untried ones is enough', () => {
  const challenges = [aChallenge(), aChallenge({ type: 'dns-01', validatedAt: at(-1) })]
  assert.equal(authorizationStatus(anAuthorization({ challenges }), NOON), 'valid')
})
