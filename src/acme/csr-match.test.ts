import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestCsrOptions, TestIdentifier } from '../../test/support/test-csr.ts'
import { buildTestCsr, der } from '../../test/support/test-csr.ts'
import { generateTestKey } from '../../test/support/test-keys.ts'
import type { Identifier } from '../lib/identifier.ts'
import { parseCertificationRequest } from '../x509/csr.ts'
import { checkCsrNames } from './csr-match.ts'
import { AcmeError } from './problem.ts'

const key = generateTestKey('ES256')
const csr = (names: readonly TestIdentifier[], options?: TestCsrOptions) =>
  parseCertificationRequest(buildTestCsr(names, key, options))
const dns = (value: string): Identifier => ({ type: 'dns', value })
const ip = (value: string): Identifier => ({ type: 'ip', value })

function refusal(request: ReturnType<typeof csr>, order: readonly Identifier[]): AcmeError {
  try {
    checkCsrNames(request, order)
  } catch (error) {
    assert.ok(error instanceof AcmeError)
    assert.equal(error.type, 'badCSR')
    return error
  }
  return assert.fail('it was accepted')
}

test('CQ-F08 KF-C06 the same names in other order, other case or twice are the same set', () => {
  const order = [dns('a.test'), dns('*.a.test'), ip('10.0.0.1'), ip('fd00::1')]
  checkCsrNames(csr(['fd00::1', 'A.Test', '*.a.TEST', '10.0.0.1', 'a.test']), order)
})

test('CQ-F08 a missing name is named, with a subproblem', () => {
  const error = refusal(csr(['a.test']), [dns('a.test'), dns('b.test'), ip('10.0.0.1')])
  assert.match(error.message, /does not name b\.test, 10\.0\.0\.1/)
  assert.deepEqual(
    error.options.subproblems?.map(({ identifier }) => identifier),
    [dns('b.test'), ip('10.0.0.1')],
  )
})

test('CQ-F08 an extra name is named, whatever its type', () => {
  const name = (tag: number, text: string) => der(tag, Buffer.from(text))
  const wanted = name(0x82, 'a.test')
  const table = [
    [name(0x82, 'b.test'), /"b\.test"/],
    [name(0x82, '*.test'), /"\*\.test"/],
    [name(0x82, '10.0.0.1'), /"10\.0\.0\.1"/],
    [der(0x87, Buffer.from([10, 0, 0, 1])), /10\.0\.0\.1/],
    [name(0x81, 'root@a.test'), /e-mail address "root@a\.test"/],
    [name(0x86, 'spiffe://a.test/x'), /URI "spiffe:\/\/a\.test\/x"/],
    [
      der(0xa0, Buffer.from('060a2b060104018237140203', 'hex'), der(0xa0, name(0x0c, 'upn@a.test'))),
      /another type \(tag 0\)/,
    ],
    [der(0x88, Buffer.from('2a0304', 'hex')), /another type \(tag 8\)/],
  ] as const
  for (const [extra, pattern] of table) {
    assert.match(refusal(csr([], { generalNames: [wanted, extra] }), [dns('a.test')]).message, pattern)
  }
})

test('CQ-O07 names are compared as sets and never counted', () => {
  assert.match(refusal(csr(['a.test', 'b.test']), [dns('a.test')]).message, /"b\.test"/)
  assert.match(refusal(csr(['a.test', 'a.test']), [dns('a.test'), dns('b.test')]).message, /does not name b\.test/)
})

test('KF-A06 a name does not stand for its wildcard, nor the reverse', () => {
  refusal(csr(['a.test']), [dns('*.a.test')])
  refusal(csr(['*.a.test']), [dns('a.test')])
  refusal(csr(['x.a.test']), [dns('*.a.test')])
})

test('CQ-F05 a common name that is one of the order names it, alone or beside a SAN', () => {
  checkCsrNames(csr([], { withoutSan: true, commonName: 'A.test' }), [dns('a.test')])
  checkCsrNames(csr(['b.test'], { commonName: 'a.test' }), [dns('a.test'), dns('b.test')])
  checkCsrNames(csr([], { withoutSan: true, commonName: '10.0.0.1' }), [ip('10.0.0.1')])
  checkCsrNames(csr(['*.a.test'], { commonName: '*.a.test' }), [dns('*.a.test')])
})

test('CQ-F06 CQ-O09 a subject that names nothing is ignored, and a CN equal to an ip identifier is fine', () => {
  for (const commonName of ['', 'My host', 'Acme Inc.', 'server', '10.0.0.1']) {
    checkCsrNames(csr(['a.test', '10.0.0.1'], { commonName }), [dns('a.test'), ip('10.0.0.1')])
  }
})

test('CQ-F06 a common name that looks like a name of somebody else is refused and quoted', () => {
  for (const commonName of [
    'b.test',
    '*.b.test',
    '10.0.0.2',
    'fd00::2',
    'b.test.',
    'b_1.a.test',
    'root@a.test',
    '127.1',
  ]) {
    const error = refusal(csr(['a.test'], { commonName }), [dns('a.test')])
    assert.ok(error.message.includes(JSON.stringify(commonName)), error.message)
  }
})

test('a CSR that names nothing misses every name', () => {
  assert.match(refusal(csr([], { withoutSan: true }), [dns('a.test')]).message, /does not name a\.test/)
})

test('KF-C07 neither the CSR nor the order is changed by the comparison', () => {
  const request = csr(['a.test'], { commonName: 'b.test' })
  const order = Object.freeze([Object.freeze(dns('a.test')), Object.freeze(dns('b.test'))])
  Object.freeze(request.subjectAltNames)
  Object.freeze(request.commonNames)
  checkCsrNames(Object.freeze(request), order)
  assert.equal(request.subjectAltNames.length, 1)
})

test('text of any script and length in a CSR is quoted, clipped and kept to printable ASCII', () => {
  const error = refusal(csr(['a.test'], { commonName: `evil.тест.${'x'.repeat(5000)}` }), [dns('a.test')])
  assert.match(error.message, /^[\x20-\x7e]+$/)
  assert.ok(error.message.length < 400)
})
