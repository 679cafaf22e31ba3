import assert from 'node:assert/strict'
import { test } from 'node:test'
import { der } from '../../test/support/test-csr.ts'
import type { Identifier } from '../lib/identifier.ts'
import { DerError } from './asn1/der-error.ts'
import { buildSubjectAltName, parseGeneralNames } from './general-name.ts'

test('names and addresses keep their order and come back as they went in', () => {
  const names: readonly Identifier[] = Object.freeze([
    { type: 'dns', value: '*.example.test' },
    { type: 'ip', value: '10.1.2.3' },
    { type: 'dns', value: 'a.example.test' },
    { type: 'ip', value: '2001:db8::1' },
  ])
  assert.deepEqual(parseGeneralNames(buildSubjectAltName(names)), [
    { type: 'dns', value: '*.example.test' },
    { type: 'ip', bytes: Buffer.of(10, 1, 2, 3) },
    { type: 'dns', value: 'a.example.test' },
    { type: 'ip', bytes: Buffer.from('20010db8000000000000000000000001', 'hex') },
  ])
})

test('only values in normal form are written, and at least one', () => {
  assert.throws(() => buildSubjectAltName([]), RangeError)
  for (const value of [
    '',
    'A.test',
    'a.test.',
    '.a.test',
    'a..test',
    'a b',
    'a\u0000.test',
    'ä.test',
    'a.*.test',
    '**.test',
    '*',
    `${'a.'.repeat(127)}`,
  ]) {
    assert.throws(() => buildSubjectAltName([{ type: 'dns', value }]), RangeError, JSON.stringify(value))
  }
  for (const value of ['10.1.2', '010.1.2.3', '::ffff:10.0.0.1', '2001:DB8::1']) {
    assert.throws(() => buildSubjectAltName([{ type: 'ip', value }]), RangeError, value)
  }
})

test('KF-C08 every other form is shown as what it is, so that it can be refused', () => {
  const otherName = der(
    0xa0,
    Buffer.from('060a2b060104018237140203', 'hex'),
    der(0xa0, der(0x0c, Buffer.from('admin'))),
  )
  const directoryName = der(0xa4, der(0x30))
  const registeredId = der(0x88, Buffer.from('2a', 'hex'))
  const names = parseGeneralNames(
    der(
      0x30,
      otherName,
      der(0x81, Buffer.from('a@b.test')),
      der(0x86, Buffer.from('spiffe://x/y')),
      directoryName,
      registeredId,
    ),
  )
  assert.deepEqual(names, [
    { type: 'other', tag: 0, der: otherName },
    { type: 'email', value: 'a@b.test' },
    { type: 'uri', value: 'spiffe://x/y' },
    { type: 'other', tag: 4, der: directoryName },
    { type: 'other', tag: 8, der: registeredId },
  ])
})

test('KF-C16 malformed names are refused', () => {
  const bad = {
    'an empty list': der(0x30),
    'a NUL in a dns name': der(0x30, der(0x82, Buffer.from('good.test\u0000.evil.test'))),
    'a line feed in a dns name': der(0x30, der(0x82, Buffer.from('a\n.test'))),
    'UTF-8 in a dns name': der(0x30, der(0x82, Buffer.from('ä.test'))),
    'an address of 5 octets': der(0x30, der(0x87, Buffer.alloc(5))),
    'an address with a mask': der(0x30, der(0x87, Buffer.alloc(8))),
    'an address without octets': der(0x30, der(0x87)),
    'a constructed dns name': der(0x30, der(0xa2, der(0x16, Buffer.from('a.test')))),
    'an unknown form': der(0x30, der(0x89)),
    'a universal type': der(0x30, der(0x16, Buffer.from('a.test'))),
    'BER inside of an otherName': der(0x30, Buffer.from('a0800000', 'hex')),
    'trailing bytes': Buffer.concat([der(0x30, der(0x82, Buffer.from('a.test'))), Buffer.of(0)]),
  }
  for (const [why, bytes] of Object.entries(bad)) assert.throws(() => parseGeneralNames(bytes), DerError, why)
})
