import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AcmeError } from './problem.ts'
import { readRevocationReason, refuseKeyCompromise } from './revocation-reason.ts'

test('CQ-R01 no reason, null and 0 are alike', () => {
  for (const value of [undefined, null, 0]) assert.equal(readRevocationReason(value), 0)
})

test('KF-D07 a subscriber may say 0, 1, 3, 4 and 5 and nothing else', () => {
  for (const value of [0, 1, 3, 4, 5]) assert.equal(readRevocationReason(value), value)
  for (const value of [2, 6, 7, 8, 9, 10, 11, 99, 256, -1]) {
    assert.throws(
      () => readRevocationReason(value),
      (error) => {
        assert.ok(error instanceof AcmeError)
        assert.equal(error.type, 'badRevocationReason')
        assert.match(error.message, /0 \(unspecified\), 1 \(keyCompromise\), 3 .*, 4 .*, 5 /)
        return true
      },
    )
  }
})

test('CQ-R01 text and other things that are no integer are malformed', () => {
  for (const value of ['1', 'keyCompromise', '', 1.5, true, [], {}]) {
    assert.throws(() => readRevocationReason(value), { type: 'malformed' })
  }
})

test('who only controls the names is not offered keyCompromise', () => {
  const error = refuseKeyCompromise()
  assert.equal(error.type, 'badRevocationReason')
  assert.match(error.message, /allowed are 0 \(unspecified\), 3 /)
})
