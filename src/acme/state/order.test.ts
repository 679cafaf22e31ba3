import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuthorizationStateName } from '../../../test/support/order-facts.ts'
import { anAuthorization, anOrder, at, idOf, NOON, PROBLEM, PROFILE } from '../../../test/support/order-facts.ts'
import type { AccountId } from '../../lib/ids.ts'
import { orderState, orderStatus } from './order.ts'

const AUTHORIZATION_STATES = [
  'pending',
  'processing',
  'valid',
  'invalid',
  'deactivated',
  'expired',
  'expired valid',
  'revoked',
] as const satisfies readonly AuthorizationStateName[]

test('KF-E05 order facts × authorization state: every pair has the expected status', () => {
  const open = { pending: 'pending', processing: 'pending', valid: 'ready' } as const
  const claimed = { processingAt: at(-1), csrSha256: '00' }
  for (const state of AUTHORIZATION_STATES) {
    const authorizations = [anAuthorization({ state })]
    const expected = state in open ? open[state as keyof typeof open] : 'invalid'
    assert.equal(orderStatus({ order: anOrder(), authorizations }, NOON), expected, `open, ${state}`)
    const of = (facts: Parameters<typeof anOrder>[0]) => orderStatus({ order: anOrder(facts), authorizations }, NOON)
    assert.equal(of({ expiresAt: NOON }), 'invalid', `expired, ${state}`)
    assert.equal(of(claimed), 'processing', `claimed, ${state}`)
    assert.equal(of({ ...claimed, expiresAt: at(-1) }), 'processing', `claimed and expired, ${state}`)
    assert.equal(of({ ...claimed, certificateSerial: '01' }), 'valid', `issued, ${state}`)
    assert.equal(of({ ...claimed, certificateSerial: '01', expiresAt: at(-1) }), 'valid', `issued, expired, ${state}`)
    assert.equal(of({ failedAt: at(-1), error: PROBLEM }), 'invalid', `failed, ${state}`)
    assert.equal(of({ ...claimed, failedAt: at(-1), error: PROBLEM }), 'invalid', `claimed then failed, ${state}`)
  }
})

test('an order with two identifiers is ready only when both are proved', () => {
  const order = anOrder({
    identifiers: [
      { type: 'dns', value: 'a.test' },
      { type: 'dns', value: 'b.test' },
    ],
  })
  const of = (first: AuthorizationStateName, second: AuthorizationStateName) =>
    orderStatus(
      {
        order,
        authorizations: [
          anAuthorization({ state: first, identifier: { type: 'dns', value: 'a.test' } }),
          anAuthorization({ state: second, identifier: { type: 'dns', value: 'b.test' } }),
        ],
      },
      NOON,
    )
  assert.equal(of('valid', 'valid'), 'ready')
  assert.equal(of('valid', 'pending'), 'pending')
  assert.equal(of('pending', 'valid'), 'pending')
  assert.equal(of('pending', 'invalid'), 'invalid')
  assert.equal(of('invalid', 'valid'), 'invalid')
})

test('KF-A19 an order is never ready on authorizations that are not those of its identifiers', () => {
  const value = { type: 'dns', value: 'www.corp.test' } as const
  const wrong = [
    [],
    [anAuthorization({ state: 'valid' }), anAuthorization({ state: 'valid' })],
    [anAuthorization({ state: 'valid', identifier: { type: 'dns', value: 'corp.test' } })],
    [anAuthorization({ state: 'valid', identifier: { type: 'ip', value: 'www.corp.test' } })],
    [anAuthorization({ state: 'valid', identifier: value, wildcard: true })],
    [anAuthorization({ state: 'valid', identifier: value, accountId: idOf('acc', 'b') as AccountId })],
    [anAuthorization({ state: 'valid', identifier: value, profile: 'other' })],
  ]
  for (const authorizations of wrong) {
    assert.equal(orderStatus({ order: anOrder(), authorizations }, NOON), 'invalid')
  }
  assert.equal(orderStatus({ order: anOrder({ identifiers: [] }), authorizations: [] }, NOON), 'invalid')
})

test('KF-A06 a wildcard order is ready by the authorization of the wildcard, not by that of the name', () => {
  const order = anOrder({ identifiers: [{ type: 'dns', value: '*.corp.test' }] })
  const of = (wildcard: boolean) =>
    orderStatus(
      {
        order,
        authorizations: [
          anAuthorization({ state: 'valid', wildcard, identifier: { type: 'dns', value: 'corp.test' } }),
        ],
      },
      NOON,
    )
  assert.equal(of(true), 'ready')
  assert.equal(of(false), 'invalid')
})

test('KF-A07 an authorization of another profile does not count', () => {
  const order = anOrder({ profile: { ...PROFILE, name: 'short' } })
  assert.equal(orderStatus({ order, authorizations: [anAuthorization({ state: 'valid' })] }, NOON), 'invalid')
})

test('CQ-O04 the order is ready at the very instant its last authorization is valid', () => {
  const found = { order: anOrder(), authorizations: [anAuthorization({ state: 'valid' })] }
  assert.equal(orderStatus(found, at(-10)), 'ready')
})

test('an invalid order says why: the stored error, else what the clock or the authorization did', () => {
  const why = (order: ReturnType<typeof anOrder>, state: AuthorizationStateName) => {
    const result = orderState({ order, authorizations: [anAuthorization({ state })] }, NOON)
    assert.equal(result.status, 'invalid')
    return result.status === 'invalid' ? result.error : assert.fail()
  }
  assert.equal(why(anOrder({ failedAt: at(-1), error: PROBLEM }), 'valid'), PROBLEM)
  assert.match(why(anOrder({ expiresAt: at(-1) }), 'valid').detail, /expired before it was finalized/)
  assert.match(why(anOrder(), 'invalid').detail, /www\.corp\.test failed/)
  assert.match(why(anOrder(), 'expired').detail, /www\.corp\.test expired/)
})

test('CQ-O13 the word deactivated never appears on an order', () => {
  const result = orderState({ order: anOrder(), authorizations: [anAuthorization({ state: 'deactivated' })] }, NOON)
  assert.equal(result.status, 'invalid')
  assert.doesNotMatch(JSON.stringify(result), /deactivated/)
})
