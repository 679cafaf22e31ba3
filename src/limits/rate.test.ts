import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRate, widen } from './rate.ts'

test('a rate is a count in a period, with a burst of its own or of the count', () => {
  assert.deepEqual(parseRate('60/1m'), { intervalUs: 1_000_000, burst: 60, text: '60/1m burst 60' })
  assert.deepEqual(parseRate('1/2d burst 5'), { intervalUs: 172_800_000_000, burst: 5, text: '1/2d burst 5' })
  assert.equal(parseRate('off'), undefined)
})

test('a rate that does not divide its period is rounded to the strict side', () => {
  const rate = parseRate('7/1s')
  assert.ok(typeof rate === 'object')
  assert.equal(rate.intervalUs, 142_858)
})

test('what is no rate is told what a rate looks like', () => {
  for (const text of ['', '60', '60/m', '-1/1m', '60/1m burst', '60/1m  burst 5', ' 60/1m', '1e3/1m', '60/1w', 'Off'])
    assert.match(String(parseRate(text)), /COUNT\/PERIOD/, text)
  for (const text of ['0/1m', '5/0s', '5/1m burst 0']) assert.match(String(parseRate(text)), /at least 1/, text)
  assert.match(String(parseRate('1/999999999d')), /ten years/)
  assert.match(String(parseRate('1/1d burst 999999999')), /ten years/)
})

test('a wider rate is as many times as fast and as large', () => {
  const rate = parseRate('60/1m burst 10')
  assert.ok(typeof rate === 'object')
  assert.deepEqual(widen(rate, 4), { intervalUs: 250_000, burst: 40, text: '60/1m burst 10, times 4' })
  assert.equal(widen({ ...rate, intervalUs: 1 }, 4).intervalUs, 1)
})
