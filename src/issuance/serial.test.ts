import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { systemRandom } from '../lib/random.ts'
import { integer } from '../x509/asn1/writer.ts'
import { newSerial } from './serial.ts'

test('KF-C01 a hundred thousand serials are positive, minimal, at most 20 octets, all different, with every free bit random', () => {
  const count = 100_000
  const seen = new Set<string>()
  const ones = new Array<number>(17 * 8).fill(0)
  for (let i = 0; i < count; i++) {
    const serial = newSerial(systemRandom)
    seen.add(serial.toString('hex'))
    for (let bit = 0; bit < serial.length * 8; bit++)
      ones[bit] = (ones[bit] ?? 0) + (((serial[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1)
  }
  assert.equal(seen.size, count)
  assert.equal(ones[0], 0, 'the sign bit is never set')
  // Each of 128 bits behind the first octet: a fair coin, 8 standard deviations of room.
  for (const heads of ones.slice(8)) assert.ok(Math.abs(heads - count / 2) < 8 * Math.sqrt(count / 4))
})

test('KF-C01 the encoded INTEGER has no padding and at most 20 content octets', () => {
  const random = new SeededRandom()
  for (let i = 0; i < 1000; i++) {
    const serial = newSerial(random)
    assert.ok((serial[0] ?? 0) >= 1 && (serial[0] ?? 0) <= 0x7f)
    assert.equal(integer(serial).length, 2 + 17)
  }
})

test('KF-C01 a generator that gives only zeros or too few bytes is told apart from luck', () => {
  assert.throws(() => newSerial({ bytes: (n) => Buffer.alloc(n) }), /broken/)
  assert.throws(() => newSerial({ bytes: () => Buffer.of(1) }), /broken/)
})
