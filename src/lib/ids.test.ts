import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, parseId } from './ids.ts'
import { systemRandom } from './random.ts'

const now = new Date('2026-03-01T12:00:00Z')

test('an id says what it names, has the form that parseId takes, and differs from every other of its moment', () => {
  const ids = Array.from({ length: 10_000 }, () => newId(systemRandom, 'order', now))
  assert.equal(new Set(ids).size, 10_000)
  for (const id of ids) {
    assert.match(id, /^ord_[A-Za-z0-9_-]{22}$/)
    assert.equal(parseId('order', id), id)
  }
  assert.equal(parseId('account', ids[0] ?? ''), undefined)
})

test('ids of one moment begin alike, those of different moments do not', () => {
  const begins = (instant: Date): string => newId(systemRandom, 'challenge', instant).slice(0, 4 + 5)
  assert.equal(begins(now), begins(now))
  assert.notEqual(begins(now), begins(new Date(now.getTime() + 1000)))
})

test('beside the moment an id has 96 random bits', () => {
  const id = newId({ bytes: (count) => Buffer.alloc(count, 0xff) }, 'order', now)
  assert.equal(Buffer.from(id.slice(4), 'base64url').subarray(4).toString('hex'), 'ff'.repeat(12))
})

test('any instant makes an id: long past, far ahead', () => {
  for (const instant of [new Date(-1), new Date(0), new Date(8.64e15)])
    assert.match(newId(systemRandom, 'account', instant), /^acc_[A-Za-z0-9_-]{22}$/)
})
