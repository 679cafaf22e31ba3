import assert from 'node:assert/strict'
import { test } from 'node:test'
import { offeredChallenges } from './offered-challenges.ts'

const ALL = ['http-01', 'dns-01', 'tls-alpn-01'] as const

test('a name can be proved by all three, a wildcard by dns-01 only', () => {
  assert.deepEqual(offeredChallenges({ type: 'dns', value: 'a.test' }, ALL), ALL)
  assert.deepEqual(offeredChallenges({ type: 'dns', value: '*.a.test' }, ALL), ['dns-01'])
})

test('KF-A27 an address is never offered dns-01', () => {
  for (const value of ['10.0.0.1', 'fd00::1']) {
    assert.deepEqual(offeredChallenges({ type: 'ip', value }, ALL), ['http-01', 'tls-alpn-01'])
    assert.deepEqual(offeredChallenges({ type: 'ip', value }, ['dns-01']), [])
  }
})

test('only what the directory enables is offered', () => {
  assert.deepEqual(offeredChallenges({ type: 'dns', value: 'a.test' }, ['tls-alpn-01']), ['tls-alpn-01'])
  assert.deepEqual(offeredChallenges({ type: 'dns', value: '*.a.test' }, ['http-01', 'tls-alpn-01']), [])
})
