import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressLimit } from './address-limit.ts'

test('KF-F02 an address gets so many places and no more, and a place given back is free again', () => {
  const limit = new AddressLimit(2)
  const first = limit.take('192.0.2.1')
  assert.ok(first && limit.take('192.0.2.1'))
  assert.equal(limit.take('192.0.2.1'), undefined)
  assert.ok(limit.take('192.0.2.2'))
  first()
  first()
  assert.ok(limit.take('192.0.2.1'))
  assert.equal(limit.take('192.0.2.1'), undefined)
})

test('KF-F06 walking through a /64, or the v4-mapped form, gains nothing', () => {
  const limit = new AddressLimit(1)
  assert.ok(limit.take('2001:db8::1'))
  assert.equal(limit.take('2001:db8::ffff:1'), undefined)
  assert.equal(limit.take('2001:db8::1%eth0'), undefined)
  assert.ok(limit.take('2001:db8:0:1::1'))
  assert.ok(limit.take('192.0.2.1'))
  assert.equal(limit.take('::ffff:192.0.2.1'), undefined)
})

test('KF-F05 memory is bounded by what is open', () => {
  const limit = new AddressLimit(1)
  for (let i = 0; i < 1000; i++) limit.take(`10.0.${i >> 8}.${i & 255}`)?.()
  assert.equal(limit.size, 0)
})
