import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Identifier } from '../lib/identifier.ts'
import { nameSetKey, parentNames, pauseKey } from './name-keys.ts'

const dns = (value: string): Identifier => ({ type: 'dns', value })
const ip = (value: string): Identifier => ({ type: 'ip', value })

test('a set of names is one key in any order, and another for another account or name', () => {
  const key = nameSetKey('acc_a', [dns('a.test'), dns('b.test')])
  assert.equal(nameSetKey('acc_a', [dns('b.test'), dns('a.test')]), key)
  for (const other of [
    nameSetKey('acc_b', [dns('a.test'), dns('b.test')]),
    nameSetKey('acc_a', [dns('a.test')]),
    nameSetKey('acc_a', [dns('a.test'), dns('b.test'), dns('c.test')]),
    nameSetKey('acc_a', [dns('*.a.test'), dns('b.test')]),
  ])
    assert.notEqual(other, key)
  assert.notEqual(nameSetKey('acc_a', [ip('10.0.0.1')]), nameSetKey('acc_a', [dns('10.0.0.1')]))
})

test('KF-F06 names of one zone are counted under one parent, each once', () => {
  assert.deepEqual(parentNames([dns('a.corp.internal'), dns('b.corp.internal')], 0), ['corp.internal'])
  assert.deepEqual(parentNames([dns('*.corp.internal')], 0), ['corp.internal'])
  assert.deepEqual(parentNames([dns('localhost')], 0), ['localhost'])
  assert.deepEqual(parentNames([dns('a.x.svc.corp.internal'), dns('b.y.svc.corp.internal')], 0), [
    'x.svc.corp.internal',
    'y.svc.corp.internal',
  ])
})

test('KF-F06 with a number of labels, names below invented sub-zones are counted together', () => {
  assert.deepEqual(parentNames([dns('a.random1.team.corp.internal'), dns('b.random2.team.corp.internal')], 3), [
    'team.corp.internal',
  ])
  assert.deepEqual(parentNames([dns('a.internal')], 3), ['internal'])
})

test('KF-F06 addresses are counted by /24 and /64', () => {
  assert.deepEqual(parentNames([ip('10.1.2.3'), ip('10.1.2.4'), ip('10.1.3.4')], 0), ['10.1.2.0/24', '10.1.3.0/24'])
  assert.deepEqual(parentNames([ip('fd00::1'), ip('fd00::2:0:0:1')], 0), ['fd00::/64'])
})

test('a name has failures of its own beside its wildcard', () => {
  assert.equal(pauseKey('acc_a', dns('*.a.test')), 'acc_a/dns:*.a.test')
  assert.notEqual(pauseKey('acc_a', dns('a.test')), pauseKey('acc_a', dns('*.a.test')))
})
