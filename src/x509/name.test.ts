import assert from 'node:assert/strict'
import { test } from 'node:test'
import { der } from '../../test/support/test-csr.ts'
import { DerError } from './asn1/der-error.ts'
import { buildName, isEmptyName, parseName } from './name.ts'

const CN = Buffer.from('0603550403', 'hex')

test('a name is written with one attribute per RDN in the given order, C as PrintableString, the rest as UTF8String', () => {
  const name = buildName([
    { type: 'C', value: 'DE' },
    { type: 'O', value: 'Müller & Söhne' },
    { type: 'CN', value: 'Issuing CA' },
  ])
  const expected = der(
    0x30,
    der(0x31, der(0x30, Buffer.from('0603550406', 'hex'), der(0x13, Buffer.from('DE')))),
    der(0x31, der(0x30, Buffer.from('060355040a', 'hex'), der(0x0c, Buffer.from('Müller & Söhne')))),
    der(0x31, der(0x30, CN, der(0x0c, Buffer.from('Issuing CA')))),
  )
  assert.equal(name.toString('hex'), expected.toString('hex'))
  assert.deepEqual(
    parseName(name).attributes.map((attribute) => attribute.value),
    ['DE', 'Müller & Söhne', 'Issuing CA'],
  )
})

test('no attributes give the empty name', () => {
  assert.equal(buildName([]).toString('hex'), '3000')
  assert.ok(isEmptyName(buildName([])))
  assert.ok(!isEmptyName(buildName([{ type: 'CN', value: 'x' }])))
  assert.deepEqual(parseName(buildName([])).attributes, [])
})

test('KF-C07 the list of attributes may be frozen', () => {
  const attributes = Object.freeze([Object.freeze({ type: 'CN' as const, value: 'x' })])
  assert.equal(parseName(buildName(attributes)).attributes.length, 1)
})

test('the bounds of RFC 5280 are counted in characters', () => {
  assert.ok(buildName([{ type: 'CN', value: 'ä'.repeat(64) }]))
  assert.ok(buildName([{ type: 'CN', value: '𝔸'.repeat(64) }]))
  for (const [type, value] of [
    ['CN', 'a'.repeat(65)],
    ['CN', ''],
    ['C', 'D'],
    ['C', 'de'],
    ['C', 'DEU'],
    ['O', 'a\u0000b'],
    ['O', 'a\nb'],
    ['O', '\ud800'],
    ['serialNumber', 'ä'],
  ] as const) {
    assert.throws(() => buildName([{ type, value }]), RangeError, `${type} ${JSON.stringify(value)}`)
  }
})

test('KF-C16 names with BMPString, NUL, control characters or odd structure are refused', () => {
  const attribute = (value: Buffer): Buffer => der(0x30, der(0x31, der(0x30, CN, value)))
  const bad = {
    BMPString: attribute(der(0x1e, Buffer.from('0061', 'hex'))),
    UniversalString: attribute(der(0x1c, Buffer.from('00000061', 'hex'))),
    NUL: attribute(der(0x0c, Buffer.from('a\u0000.test'))),
    'line feed': attribute(der(0x13, Buffer.from('a\nb'))),
    'an empty RDN': der(0x30, der(0x31)),
    'a third field': der(0x30, der(0x31, der(0x30, CN, der(0x0c), der(0x0c)))),
    'no value': der(0x30, der(0x31, der(0x30, CN))),
    'a sequence for a set': der(0x30, der(0x30, der(0x30, CN, der(0x0c)))),
    'trailing bytes': Buffer.concat([buildName([]), Buffer.of(0)]),
  }
  for (const [why, bytes] of Object.entries(bad)) assert.throws(() => parseName(bytes), DerError, why)
})

test('text of all accepted types is read, also what senders put into a PrintableString', () => {
  for (const [tag, text] of [
    [0x13, '*.example.test'],
    [0x13, 'a_b@c'],
    [0x16, 'user@example.test'],
    [0x14, 'plain'],
    [0x0c, 'ünï'],
  ] as const) {
    const name = der(0x30, der(0x31, der(0x30, CN, der(tag, Buffer.from(text)))))
    assert.equal(parseName(name).attributes[0]?.value, text)
  }
})
