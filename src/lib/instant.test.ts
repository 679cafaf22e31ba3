import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isoInstant } from './instant.ts'

test('an instant is written as the platform writes it, whenever it is', () => {
  const firsts = [
    '1969-12-31T23:59:58.999Z',
    '2026-03-01T12:00:00.000Z',
    '+010000-01-01T00:00:00.001Z',
    '-000001-06-01T00:00:59Z',
  ]
  for (const first of firsts) {
    for (let step = 0; step < 500; step++) {
      const instant = new Date(Date.parse(first) + step * 997)
      assert.equal(isoInstant(instant), instant.toISOString())
    }
  }
  for (const ms of [-8.64e15, -1, 0, 59_999, 60_000, 8.64e15])
    assert.equal(isoInstant(new Date(ms)), new Date(ms).toISOString())
})

test('more minutes than are remembered are written as well', () => {
  for (let minute = 0; minute < 1_000; minute++) {
    const instant = new Date(minute * 61_001)
    assert.equal(isoInstant(instant), instant.toISOString())
  }
})

test('what is not an instant has no text', () => {
  assert.throws(() => isoInstant(new Date(Number.NaN)), RangeError)
  assert.throws(() => isoInstant(new Date(Number.NaN)), RangeError)
})
