import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commonWindow, lifetimeSecondsOf, planValidity } from './validity.ts'

const NOW = new Date('2026-03-01T12:00:00.789Z')
const CHAIN = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2027-12-31T23:59:59Z') }
const DAY = { lifetimeSeconds: 86_400, maxLifetimeSeconds: 86_400, backdateSeconds: 300 }

function plan(options: Partial<Parameters<typeof planValidity>[0]> = {}): [string, string] {
  const result = planValidity({ profile: DAY, now: NOW, chain: CHAIN, ...options })
  if (!result.ok) assert.fail(result.detail)
  return [result.notBefore.toISOString(), result.notAfter.toISOString()]
}

function refusal(options: Partial<Parameters<typeof planValidity>[0]>): string {
  const result = planValidity({ profile: DAY, now: NOW, chain: CHAIN, ...options })
  if (result.ok) assert.fail(`allowed ${result.notBefore.toISOString()} to ${result.notAfter.toISOString()}`)
  return result.detail
}

const at = (text: string): Date => new Date(text)

test('KF-C03 both ends count: every lifetime comes out to the exact second', () => {
  for (const lifetimeSeconds of [60, 3600, 86_400, 7 * 86_400, 90 * 86_400, 398 * 86_400]) {
    const profile = { lifetimeSeconds, maxLifetimeSeconds: lifetimeSeconds, backdateSeconds: 30 }
    const result = planValidity({ profile, now: NOW, chain: CHAIN })
    assert.ok(result.ok)
    assert.equal(lifetimeSecondsOf(result), lifetimeSeconds)
    assert.equal(result.notAfter.getTime() - result.notBefore.getTime(), (lifetimeSeconds - 1) * 1000)
  }
})

test('CQ-C06 notBefore lies back by the profile and the length is unchanged', () => {
  assert.deepEqual(plan(), ['2026-03-01T11:55:00.000Z', '2026-03-02T11:54:59.000Z'])
  assert.deepEqual(plan({ profile: { ...DAY, backdateSeconds: 3600 } }), [
    '2026-03-01T11:00:00.000Z',
    '2026-03-02T10:59:59.000Z',
  ])
})

test('KF-C04 parts of a second are dropped, from now and from what was asked', () => {
  const result = plan({ notBefore: at('2026-03-01T12:30:00.999Z'), notAfter: at('2026-03-01T13:00:00.999Z') })
  assert.deepEqual(result, ['2026-03-01T12:30:00.000Z', '2026-03-01T13:00:00.000Z'])
})

test('KF-C04 CQ-C04 with an hour left in the chain a certificate without asked dates ends with it', () => {
  const chain = { ...CHAIN, notAfter: at('2026-03-01T12:59:59Z') }
  assert.deepEqual(plan({ chain }), ['2026-03-01T11:55:00.000Z', '2026-03-01T12:59:59.000Z'])
})

test('KF-C04 dates that were asked for are never bent to the chain: they are refused', () => {
  const chain = { ...CHAIN, notAfter: at('2026-03-01T12:59:59Z') }
  assert.match(
    refusal({ chain, notAfter: at('2026-03-01T13:00:00Z') }),
    /notAfter 2026-03-01T13:00:00Z is after the end of the issuing CA's chain, 2026-03-01T12:59:59Z/,
  )
  assert.deepEqual(plan({ chain, notAfter: at('2026-03-01T12:59:59Z') })[1], '2026-03-01T12:59:59.000Z')
  assert.match(refusal({ notBefore: at('2025-12-31T23:59:59Z') }), /before the issuing CA's own start/)
})

test('KF-C04 backdating stops at the start of the chain', () => {
  const chain = { ...CHAIN, notBefore: at('2026-03-01T11:59:00Z') }
  assert.deepEqual(plan({ chain }), ['2026-03-01T11:59:00.000Z', '2026-03-02T11:58:59.000Z'])
})

test('CQ-O16 notAfter alone and notBefore alone each work', () => {
  assert.deepEqual(plan({ notAfter: at('2026-03-01T18:00:00Z') }), [
    '2026-03-01T11:55:00.000Z',
    '2026-03-01T18:00:00.000Z',
  ])
  assert.deepEqual(plan({ notBefore: at('2026-03-01T12:30:00Z') }), [
    '2026-03-01T12:30:00.000Z',
    '2026-03-02T12:29:59.000Z',
  ])
})

test('CQ-O16 notAfter of "now plus the maximum" works at once and later, and is met exactly', () => {
  // Asked at 12:00:00 sharp and signed in the same second: both ends count, so it can only begin a second later.
  assert.deepEqual(plan({ notAfter: at('2026-03-02T12:00:00Z') }), [
    '2026-03-01T12:00:01.000Z',
    '2026-03-02T12:00:00.000Z',
  ])
  assert.deepEqual(plan({ now: at('2026-03-01T12:03:00Z'), notAfter: at('2026-03-02T12:00:00Z') }), [
    '2026-03-01T12:00:01.000Z',
    '2026-03-02T12:00:00.000Z',
  ])
  assert.match(refusal({ notAfter: at('2026-03-02T12:00:01Z') }), /the profile allows 86400 s/)
})

test('asked dates that make no sense are refused with field and value', () => {
  assert.match(refusal({ notAfter: at('2026-03-01T12:00:00Z') }), /notAfter 2026-03-01T12:00:00Z is not in the future/)
  assert.match(refusal({ notAfter: at('2020-01-01T00:00:00Z') }), /notAfter 2020-01-01T00:00:00Z/)
  assert.match(
    refusal({ notBefore: at('2026-03-02T00:00:00Z'), notAfter: at('2026-03-01T18:00:00Z') }),
    /is before notBefore/,
  )
  assert.match(refusal({ notBefore: at('2028-03-02T00:00:00Z') }), /after the end of the issuing CA's chain/)
  assert.match(
    refusal({ notBefore: at('2026-02-27T11:00:00Z'), notAfter: at('2026-03-01T13:00:00Z') }),
    /notBefore .* in the past/,
  )
  assert.match(
    refusal({ notBefore: at('2026-03-01T12:00:00Z'), notAfter: at('2026-03-02T12:00:00Z') }),
    /86401 s, the profile allows 86400 s/,
  )
})

test('the window of a chain is where all of its certificates are valid', () => {
  const window = commonWindow([
    { notBefore: at('2026-01-02T00:00:00Z'), notAfter: at('2028-01-01T00:00:00Z') },
    { notBefore: at('2026-01-01T00:00:00Z'), notAfter: at('2027-01-01T00:00:00Z') },
  ])
  assert.deepEqual(window, { notBefore: at('2026-01-02T00:00:00Z'), notAfter: at('2027-01-01T00:00:00Z') })
})
