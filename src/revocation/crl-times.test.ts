import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crlTimes, isDueForRenewal, nextCrlNumber } from './crl-times.ts'

const at = (text: string): Date => new Date(text)

test('KF-D04 CQ-C06 thisUpdate is five minutes ago in whole seconds and nextUpdate lies after it by the lifetime', () => {
  assert.deepEqual(crlTimes(at('2026-03-01T12:00:00.999Z'), 86_400), {
    thisUpdate: at('2026-03-01T11:55:00Z'),
    nextUpdate: at('2026-03-02T11:55:00Z'),
  })
})

test('a short-lived list is backdated by a tenth of its life at most', () => {
  assert.deepEqual(crlTimes(at('2026-03-01T12:00:00Z'), 600), {
    thisUpdate: at('2026-03-01T11:59:00Z'),
    nextUpdate: at('2026-03-01T12:09:00Z'),
  })
  assert.deepEqual(crlTimes(at('2026-03-01T12:00:00Z'), 9).thisUpdate, at('2026-03-01T12:00:00Z'))
})

test('KF-D11 a list is renewed from half of its life on, and not a moment before', () => {
  const crl = crlTimes(at('2026-03-01T12:00:00Z'), 86_400)
  assert.equal(isDueForRenewal(crl, at('2026-03-01T12:00:00Z')), false)
  assert.equal(isDueForRenewal(crl, at('2026-03-01T23:54:59.999Z')), false)
  assert.equal(isDueForRenewal(crl, at('2026-03-01T23:55:00Z')), true)
  assert.equal(isDueForRenewal(crl, at('2027-01-01T00:00:00Z')), true)
})

test('KF-E09 a list that lies ahead of the clock is replaced, because clients would refuse it', () => {
  const crl = crlTimes(at('2027-03-01T12:00:00Z'), 86_400)
  assert.equal(isDueForRenewal(crl, at('2026-03-01T12:00:00Z')), true)
})

test('KF-D05 numbers rise strictly, in the same millisecond, when the clock goes back, and after an old backup', () => {
  const now = at('2026-03-01T12:00:00Z')
  const first = nextCrlNumber(undefined, now)
  const second = nextCrlNumber(first, now)
  const back = nextCrlNumber(second, at('2020-01-01T00:00:00Z'))
  assert.ok(first < second && second < back)
  // The restored store knows only `first`; a minute has gone by since `back`.
  assert.ok(nextCrlNumber(first, at('2026-03-01T12:01:00Z')) > back)
  assert.ok(nextCrlNumber(undefined, at('9999-01-01T00:00:00Z')) < 2n ** 159n)
})
