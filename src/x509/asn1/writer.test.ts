import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DerReader } from './reader.ts'
import * as write from './writer.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('lengths take their shortest form on both sides of every boundary', () => {
  const headers: [number, string][] = [
    [0, '0400'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65_535, '0482ffff'],
    [65_536, '0483010000'],
  ]
  for (const [length, header] of headers) {
    const encoded = write.octetString(Buffer.alloc(length))
    assert.equal(hex(encoded.subarray(0, encoded.length - length)), header)
    assert.equal(new DerReader(encoded, { maxBytes: 1 << 20 }).octetString().length, length)
    assert.equal(hex(write.header(0x04, length)), header)
  }
})

test('INTEGERs are minimal, and octets that are not are refused', () => {
  assert.equal(hex(write.integer(0)), '020100')
  assert.equal(hex(write.integer(127)), '02017f')
  assert.equal(hex(write.integer(128)), '02020080')
  assert.equal(hex(write.integer(2n ** 64n)), '0209010000000000000000')
  assert.equal(hex(write.integer(Buffer.of(0, 0x80))), '02020080')
  for (const octets of [[], [0, 0x7f], [0, 0], [0xff, 0x80]]) {
    assert.throws(() => write.integer(Uint8Array.from(octets)), RangeError)
  }
  assert.throws(() => write.integer(-1), RangeError)
})

test('named bits drop trailing zeros and count the unused ones', () => {
  assert.equal(hex(write.namedBits([0])), '03020780')
  assert.equal(hex(write.namedBits([5, 6])), '03020106')
  assert.equal(hex(write.namedBits([7])), '03020001')
  assert.equal(hex(write.namedBits([8, 0])), '0303078080')
  assert.equal(hex(write.namedBits([])), '030100')
})

test('SET OF is sorted, whatever the order of the parts, and the parts are left alone', () => {
  const parts = Object.freeze([write.integer(3), write.boolean(true), write.integer(2)])
  assert.equal(hex(write.set(...parts)), '31090101ff020102020103')
  assert.equal(hex(parts[0] ?? Buffer.alloc(0)), '020103')
})

test('OIDs round-trip, known or not, with arcs beyond 2^53', () => {
  for (const dotted of [
    '0.0',
    '1.39',
    '2.5.29.37.0',
    '2.999.3',
    '1.3.6.1.4.1.311.2.1.14',
    '2.25.329800735698586629295641978511506172918',
  ]) {
    assert.equal(new DerReader(write.oid(dotted)).oid(), dotted)
  }
  for (const bad of ['', '1', '3.1', '1.40', '1..2', '1.02', '1.2.', 'a.b']) {
    assert.throws(() => write.oid(bad), RangeError, bad)
  }
})

test('times switch from UTCTime to GeneralizedTime at 2050 and are whole seconds', () => {
  const text = (iso: string): string => write.time(new Date(iso)).subarray(2).toString('latin1')
  assert.equal(text('2049-12-31T23:59:59Z'), '491231235959Z')
  assert.equal(text('2050-01-01T00:00:00Z'), '20500101000000Z')
  assert.equal(text('1999-09-09T09:09:09Z'), '990909090909Z')
  assert.equal(text('9999-12-31T23:59:59Z'), '99991231235959Z')
  assert.equal(write.time(new Date('2049-12-31T23:59:59Z'))[0], 0x17)
  assert.equal(write.time(new Date('2050-01-01T00:00:00Z'))[0], 0x18)
  for (const bad of ['2026-01-01T00:00:00.001Z', '1949-12-31T23:59:59Z', '+010000-01-01T00:00:00Z', 'not a date']) {
    assert.throws(() => write.time(new Date(bad)), RangeError, bad)
  }
})

test('strings refuse what their type cannot hold', () => {
  assert.throws(() => write.printableString('a*b'), RangeError)
  assert.throws(() => write.ia5String('ä'), RangeError)
  assert.throws(() => write.ia5String('a\u0000'), RangeError)
  assert.equal(hex(write.utf8String('ä')), '0c02c3a4')
})
