import assert from 'node:assert/strict'
import { test } from 'node:test'
import { der } from '../../test/support/test-csr.ts'
import { DerError } from './asn1/der-error.ts'
import { DerReader } from './asn1/reader.ts'
import { readExtensions } from './extension.ts'
import { nameConstraints } from './extensions.ts'
import type { GeneralName } from './general-name.ts'
import { buildName } from './name.ts'
import { checkNameConstraints, type NameConstraints, parseNameConstraints } from './name-constraints.ts'
import { OID } from './oids.ts'

const dns = (value: string): GeneralName => ({ type: 'dns', value })
const ip = (...octets: number[]): GeneralName => ({ type: 'ip', bytes: Buffer.from(octets) })

function built(options: Parameters<typeof nameConstraints>[0]): NameConstraints {
  const found = readExtensions(new DerReader(nameConstraintsList(options)).sequence()).get(OID.nameConstraints)
  assert.equal(found?.critical, true)
  return parseNameConstraints(found.value)
}

const nameConstraintsList = (options: Parameters<typeof nameConstraints>[0]): Buffer =>
  der(0x30, nameConstraints(options))

const allows = (constraints: NameConstraints, ...names: GeneralName[]): boolean =>
  checkNameConstraints(constraints, names).length === 0

test('what is written is what is read: names without a dot in front, addresses with their mask', () => {
  const constraints = built({
    permitted: { dns: ['example.test', 'corp'], ip: ['10.0.0.0/8', 'fd00::/8'] },
    excluded: { dns: [''], ip: ['0.0.0.0/0', '::/0', '192.0.2.128/25'] },
  })
  const mask = (hex: string): Buffer => Buffer.from(hex, 'hex')
  assert.deepEqual(constraints.permitted, [
    { type: 'dns', value: 'example.test' },
    { type: 'dns', value: 'corp' },
    { type: 'ip', network: mask('0a000000'), mask: mask('ff000000') },
    { type: 'ip', network: mask(`fd${'00'.repeat(15)}`), mask: mask(`ff${'00'.repeat(15)}`) },
  ])
  assert.deepEqual(constraints.excluded, [
    { type: 'dns', value: '' },
    { type: 'ip', network: mask('00000000'), mask: mask('00000000') },
    { type: 'ip', network: Buffer.alloc(16), mask: Buffer.alloc(16) },
    { type: 'ip', network: mask('c0000280'), mask: mask('ffffff80') },
  ])
})

test('bases that would not mean what their author thinks are not written', () => {
  for (const base of ['.example.test', '*.example.test', 'Example.test', 'example.test.', 'a..b', 'ä.test', 'a b']) {
    assert.throws(() => nameConstraints({ permitted: { dns: [base], ip: [] } }), RangeError, base)
  }
  for (const block of ['10.0.0.1/8', '10.0.0.0/33', 'fd00::/129', '10.0.0/8', 'example.test', '']) {
    assert.throws(() => nameConstraints({ permitted: { dns: [], ip: [block] } }), RangeError, block)
  }
  assert.throws(() => nameConstraints({}), RangeError)
  assert.throws(() => nameConstraints({ permitted: { dns: [], ip: [] } }), RangeError)
})

test('KF-C07 the lists may be frozen', () => {
  const permitted = Object.freeze({ dns: Object.freeze(['example.test']), ip: Object.freeze(['10.0.0.0/8']) })
  assert.equal(built(Object.freeze({ permitted })).permitted.length, 2)
})

test('a permitted name covers itself and everything below, by whole labels and without case', () => {
  const constraints = built({ permitted: { dns: ['example.test'], ip: [] } })
  for (const name of [
    'example.test',
    'a.example.test',
    'a.b.example.test',
    'A.EXAMPLE.TEST',
    '*.example.test',
    '*.a.example.test',
  ]) {
    assert.ok(allows(constraints, dns(name)), name)
  }
  for (const name of [
    'evil-example.test',
    'test',
    'example.test.evil',
    'example.test.',
    '*.test',
    '*',
    '',
    'a..example.test',
  ]) {
    assert.ok(!allows(constraints, dns(name)), name)
  }
})

test('an excluded name beats a permitted one', () => {
  const constraints = built({
    permitted: { dns: ['example.test'], ip: [] },
    excluded: { dns: ['secret.example.test'], ip: [] },
  })
  assert.ok(allows(constraints, dns('open.example.test')))
  for (const name of ['secret.example.test', 'a.secret.example.test', 'SECRET.example.test', '*.secret.example.test']) {
    assert.ok(!allows(constraints, dns(name)), name)
  }
})

test('a wildcard that would match an excluded name is refused, one that cannot match it is not', () => {
  const constraints = built({ excluded: { dns: ['secret.example.test'], ip: [] } })
  assert.ok(!allows(constraints, dns('*.example.test')))
  assert.ok(allows(constraints, dns('*.test')), 'matches one label only')
  assert.ok(allows(constraints, dns('*.other.example.test')))
})

test('a wildcard is not within a base that covers only one of the names it stands for', () => {
  const constraints = built({ permitted: { dns: ['a.example.test'], ip: [] } })
  assert.ok(!allows(constraints, dns('*.example.test')))
})

test('addresses are compared under the mask, and the two families never match each other', () => {
  const constraints = built({
    permitted: { dns: [], ip: ['10.0.0.0/9', '2001:db8::/33'] },
    excluded: { dns: [], ip: ['10.1.0.0/16'] },
  })
  assert.ok(allows(constraints, ip(10, 0, 0, 1)))
  assert.ok(allows(constraints, ip(10, 127, 255, 255)))
  assert.ok(!allows(constraints, ip(10, 128, 0, 0)))
  assert.ok(!allows(constraints, ip(10, 1, 2, 3)))
  assert.ok(!allows(constraints, ip(11, 0, 0, 1)))
  const v6 = (hex: string): GeneralName => ({ type: 'ip', bytes: Buffer.from(hex, 'hex') })
  assert.ok(allows(constraints, v6('20010db87fffffffffffffffffffffff')))
  assert.ok(!allows(constraints, v6('20010db8800000000000000000000000')))
  assert.ok(!allows(constraints, v6('00000000000000000000ffff0a000001')))
  assert.ok(!allows(built({ permitted: { dns: [], ip: ['10.0.0.0/8'] } }), v6('20010db8000000000000000000000001')))
})

test('a list of one form does not limit the other forms', () => {
  const constraints = built({ permitted: { dns: ['example.test'], ip: [] } })
  assert.ok(allows(constraints, ip(10, 0, 0, 1), { type: 'email', value: 'a@b.test' }))
})

test('every violation is reported, naming the name', () => {
  const constraints = built({ permitted: { dns: ['example.test'], ip: ['10.0.0.0/8'] } })
  const violations = checkNameConstraints(constraints, [dns('a.other.test'), dns('a.example.test'), ip(192, 0, 2, 1)])
  assert.equal(violations.length, 2)
  assert.match(violations[0] ?? '', /a\.other\.test/)
  assert.match(violations[1] ?? '', /192\.0\.2\.1/)
})

const subtrees = (tag: number, ...bases: Buffer[]): Buffer => der(tag, ...bases.map((base) => der(0x30, base)))

test('a form that is constrained and that we cannot interpret is refused, wherever it is constrained', () => {
  const otherName = der(0xa0, Buffer.from('06012a', 'hex'), der(0xa0, der(0x05)))
  const forms: [Buffer, GeneralName][] = [
    [der(0x81, Buffer.from('example.test')), { type: 'email', value: 'a@example.test' }],
    [der(0x86, Buffer.from('example.test')), { type: 'uri', value: 'https://example.test/' }],
    [otherName, { type: 'other', tag: 0, der: otherName }],
    [der(0x88, Buffer.of(0x2a)), { type: 'other', tag: 8, der: der(0x88, Buffer.of(0x2a)) }],
  ]
  for (const [base, name] of forms) {
    for (const tag of [0xa0, 0xa1]) {
      const constraints = parseNameConstraints(der(0x30, subtrees(tag, base)))
      assert.ok(!allows(constraints, name), `${name.type} under ${tag.toString(16)}`)
      assert.ok(allows(constraints, dns('a.test')))
    }
  }
})

test('constrained directory names refuse every subject that is not empty', () => {
  const constraints = parseNameConstraints(
    der(0x30, subtrees(0xa0, der(0xa4, buildName([{ type: 'O', value: 'Bank' }])))),
  )
  assert.deepEqual(checkNameConstraints(constraints, [dns('a.test')], buildName([])), [])
  assert.equal(
    checkNameConstraints(constraints, [dns('a.test')], buildName([{ type: 'CN', value: 'a.test' }])).length,
    1,
  )
})

test('a leading dot, as some CAs write it, permits only names below and excludes the name itself too', () => {
  const base = der(0x82, Buffer.from('.example.test'))
  const permitted = parseNameConstraints(der(0x30, subtrees(0xa0, base)))
  assert.ok(allows(permitted, dns('a.example.test')))
  assert.ok(allows(permitted, dns('*.example.test')))
  assert.ok(!allows(permitted, dns('example.test')))
  const excluded = parseNameConstraints(der(0x30, subtrees(0xa1, base)))
  assert.ok(!allows(excluded, dns('a.example.test')))
  assert.ok(!allows(excluded, dns('example.test')))
})

test('an excluded base that is no host name excludes every name, because nothing can be said about it', () => {
  const constraints = parseNameConstraints(der(0x30, subtrees(0xa1, der(0x82, Buffer.from('*.example.test')))))
  assert.ok(!allows(constraints, dns('a.other.test')))
})

test('a name that is no host name is excluded as soon as any name is, so that no spelling gets around the list', () => {
  const constraints = built({ excluded: { dns: ['secret.example.test'], ip: [] } })
  for (const name of ['a.secret.example.test.', 'a..test', '', 'a b.test', '*.*.test']) {
    assert.ok(!allows(constraints, dns(name)), JSON.stringify(name))
  }
})

test('malformed constraints are refused', () => {
  const base = der(0x82, Buffer.from('example.test'))
  const bad = {
    'an empty sequence': der(0x30),
    'an empty list': der(0x30, der(0xa0)),
    'minimum 0 written out': der(0x30, der(0xa0, der(0x30, base, der(0x80, Buffer.of(0))))),
    'a maximum': der(0x30, der(0xa0, der(0x30, base, der(0x81, Buffer.of(5))))),
    'an address without a mask': der(0x30, subtrees(0xa0, der(0x87, Buffer.alloc(4)))),
    'a mask with a hole': der(0x30, subtrees(0xa0, der(0x87, Buffer.from('0a000000ff00ff00', 'hex')))),
    'a mask with a hole in one octet': der(0x30, subtrees(0xa0, der(0x87, Buffer.from('0a000000f5000000', 'hex')))),
    'excluded before permitted': der(0x30, subtrees(0xa1, base), subtrees(0xa0, base)),
    'a NUL': der(0x30, subtrees(0xa0, der(0x82, Buffer.from('example.test\u0000')))),
  }
  for (const [why, bytes] of Object.entries(bad)) assert.throws(() => parseNameConstraints(bytes), DerError, why)
})
