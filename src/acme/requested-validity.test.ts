import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, NOON, PROFILE } from '../../test/support/order-facts.ts'
import { planValidity } from '../issuance/validity.ts'
import type { JsonObject } from './endpoint.ts'
import { AcmeError } from './problem.ts'
import { readRequestedValidity } from './requested-validity.ts'

const context = { profile: PROFILE, maxNotBeforeAheadSeconds: 3600, now: NOON }
const iso = (seconds: number): string => at(seconds).toISOString()
const DAY = 86_400

function refusal(payload: JsonObject): AcmeError {
  try {
    readRequestedValidity(payload, context)
  } catch (error) {
    assert.ok(error instanceof AcmeError)
    return error
  }
  return assert.fail(`accepted: ${JSON.stringify(payload)}`)
}

test('CQ-O16 notAfter alone, notBefore alone, both or none are taken as asked', () => {
  assert.deepEqual(readRequestedValidity({}, context), { lifetimeSeconds: DAY })
  assert.deepEqual(readRequestedValidity({ notBefore: null, notAfter: null }, context), { lifetimeSeconds: DAY })
  assert.deepEqual(readRequestedValidity({ notAfter: iso(3600) }, context), {
    notAfter: at(3600),
    lifetimeSeconds: 3600,
  })
  assert.deepEqual(readRequestedValidity({ notBefore: iso(60) }, context), { notBefore: at(60), lifetimeSeconds: DAY })
  assert.deepEqual(readRequestedValidity({ notBefore: iso(60), notAfter: iso(120) }, context), {
    notBefore: at(60),
    notAfter: at(120),
    lifetimeSeconds: 61,
  })
})

test('CQ-O16 a notBefore too far ahead is refused, naming field, value, limit and the likely mix-up', () => {
  assert.ok(readRequestedValidity({ notBefore: iso(3600) }, context).notBefore)
  const error = refusal({ notBefore: iso(3601) })
  assert.equal(error.type, 'malformed')
  assert.match(error.message, /notBefore 2026-03-01T13:00:01Z .*3600 seconds.*notAfter/)
})

test('a notBefore further back than the profile backdates is refused', () => {
  assert.ok(readRequestedValidity({ notBefore: iso(-300) }, context).notBefore)
  assert.match(refusal({ notBefore: iso(-301) }).message, /300 seconds in the past/)
})

test('a lifetime that is not positive, over, or longer than the profile allows is refused, naming the limit', () => {
  assert.match(refusal({ notAfter: iso(0) }).message, /not later than now/)
  assert.match(refusal({ notBefore: iso(60), notAfter: iso(60) }).message, /not later than notBefore/)
  assert.match(refusal({ notBefore: iso(-200), notAfter: iso(-100) }).message, /not later than now/)
  assert.match(refusal({ notAfter: iso(DAY + 1) }).message, /at most 86400 seconds/)
  assert.match(refusal({ notBefore: iso(0), notAfter: iso(DAY) }).message, /86401 seconds.*at most 86400/)
})

test('anything but an RFC 3339 text is malformed', () => {
  for (const bad of ['', 'tomorrow', 1767323045, {}, [], true]) {
    assert.equal(refusal({ notBefore: bad }).type, 'malformed')
    assert.equal(refusal({ notAfter: bad }).type, 'malformed')
  }
})

test('what is accepted here is possible at issuance, at the limits too', () => {
  const chain = { notBefore: at(-1e6), notAfter: at(1e8) }
  const accepted: JsonObject[] = [
    { notAfter: iso(1) },
    { notAfter: iso(DAY) },
    { notBefore: iso(0), notAfter: iso(DAY - 1) },
    { notBefore: iso(-300), notAfter: iso(DAY - 301) },
    { notBefore: iso(3600) },
    { notBefore: iso(3600), notAfter: iso(3601) },
  ]
  for (const payload of accepted) {
    const { notBefore, notAfter } = readRequestedValidity(payload, context)
    const plan = planValidity({ profile: PROFILE, now: NOON, chain, notBefore, notAfter })
    assert.deepEqual({ payload, plan: plan.ok || plan.detail }, { payload, plan: true })
  }
})
