import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROFILE } from '../../test/support/order-facts.ts'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { configSchema } from '../config/schema.ts'
import { identifierKey } from '../lib/identifier.ts'
import { parseSpiffeId } from '../lib/uri.ts'
import { fillProfile, nameMapping } from './name-mapping.ts'

function mapping(given: Record<string, unknown>) {
  const config = configSchema.parse({ profiles: { p: given } }).profiles['p']
  assert.ok(config)
  return nameMapping(config)
}

function fill(given: Record<string, unknown>, attributes: Record<string, string>) {
  return fillProfile({ ...PROFILE, subject: given['subject'] ? 'attributes' : 'empty' }, mapping(given), attributes)
}

/** The names that come of it, or undefined when it is refused. */
function names(sans: Record<string, unknown>, attributes: Record<string, string>): string[] | undefined {
  const filled = fill({ sans }, attributes)
  return filled.ok ? (filled.profile.addedNames ?? []).map(identifierKey) : undefined
}

const HOST = { dns: ['{attribute.host}.corp.test'] }
const SPIFFE = { uri: ['spiffe://corp.test/ns/{attribute.team}/sa/{attribute.service}'] }

test('values stand in their places, and nothing else changes', () => {
  assert.deepEqual(names(HOST, { host: 'Web7' }), ['dns:web7.corp.test'])
  assert.deepEqual(names({ dns: ['srv-{attribute.host}-a.corp.test'] }, { host: '7' }), ['dns:srv-7-a.corp.test'])
  assert.deepEqual(names({ dns: ['{attribute.fqdn:labels}'] }, { fqdn: 'a.b.test' }), ['dns:a.b.test'])
  assert.deepEqual(names(SPIFFE, { team: 'Shop.1', service: 'web_a' }), ['uri:spiffe://corp.test/ns/Shop.1/sa/web_a'])
  assert.deepEqual(names({ uri: ['spiffe://corp.test/{attribute.path:segments}'] }, { path: 'a/b/c' }), [
    'uri:spiffe://corp.test/a/b/c',
  ])
  assert.deepEqual(
    names({ email: ['{attribute.user}@{attribute.site}.corp.test'] }, { user: 'Ann.Lee+x', site: 'b' }),
    ['email:Ann.Lee+x@b.corp.test'],
  )
  assert.deepEqual(names({ dns: ['fixed.corp.test', 'fixed.corp.test'] }, {}), ['dns:fixed.corp.test'])
  const filled = fill({ subject: { CN: '{attribute.name}', O: 'Corp', C: 'DE' } }, { name: 'Ann = "A", + Söhne' })
  assert.ok(filled.ok)
  assert.deepEqual(filled.profile.subjectAttributes, [
    { type: 'C', value: 'DE' },
    { type: 'O', value: 'Corp' },
    { type: 'CN', value: 'Ann = "A", + Söhne' },
  ])
})

const WIDENING = [
  '*',
  '**',
  '*.x',
  'a.b',
  'a*',
  '?',
  'a?',
  ',',
  'a,DNS:b',
  '/',
  'a/b',
  '\\',
  'a\nb',
  'a b',
  '',
  '%2e',
  '#',
  '@',
  '..',
  '\u0000',
  'a\u202eb',
  'ä',
]

test('KF-C10 a value that could add a label, a segment or a pattern is refused', () => {
  for (const value of WIDENING) {
    assert.equal(names(HOST, { host: value }), undefined, value)
    if (value !== 'a.b' && value !== '..')
      assert.equal(names({ dns: ['{attribute.host:labels}.corp.test'] }, { host: value }), undefined, value)
  }
  for (const value of WIDENING.filter((text) => text !== 'a.b'))
    assert.equal(names(SPIFFE, { team: value, service: 'web' }), undefined, value)
  for (const value of ['a/../b', 'a//b', '/a', 'a/', '.', 'a/./b', 'a?b', 'a/*'])
    assert.equal(names({ uri: ['spiffe://corp.test/x/{attribute.path:segments}'] }, { path: value }), undefined, value)
  for (const value of ['a@b', 'a b', '.a', 'a.', 'a..b', '*', '"a"', ''])
    assert.equal(names({ email: ['{attribute.user}@corp.test'] }, { user: value }), undefined, value)
  for (const value of ['a..b', '.a', 'a.', '*.a', 'a.*'])
    assert.equal(names({ dns: ['{attribute.fqdn:labels}.test'] }, { fqdn: value }), undefined, value)
  for (const value of ['', ' a', 'a ', 'a\tb', 'a\u0000', 'a\u200bb', 'a\u2028b', 'x'.repeat(65)])
    assert.equal(fill({ subject: { CN: '{attribute.name}' } }, { name: value }).ok, false, JSON.stringify(value))
  for (const value of ['D', 'de', 'DEU', 'Ü1'])
    assert.equal(fill({ subject: { C: '{attribute.c}' } }, { c: value }).ok, false)
  for (const value of ['a*b', 'a@b', 'ü'])
    assert.equal(fill({ subject: { serialNumber: '{attribute.s}' } }, { s: value }).ok, false)
})

test('pieces that make a dot segment or a reserved label together are refused too', () => {
  assert.equal(names({ uri: ['spiffe://corp.test/{attribute.a}.'] }, { a: '.' }), undefined)
  assert.equal(names({ uri: ['spiffe://corp.test/.{attribute.a}'] }, { a: '.' }), undefined)
  assert.equal(names({ dns: ['xn--{attribute.a}.corp.test'] }, { a: 'zzzzzz' }), undefined)
  assert.equal(
    names({ dns: ['{attribute.a}{attribute.b}.corp.test'] }, { a: 'a'.repeat(40), b: 'b'.repeat(40) }),
    undefined,
  )
})

test('a missing attribute refuses, and what an object has by nature is no attribute', () => {
  for (const host of ['constructor', '__proto__', 'toString'])
    assert.equal(names({ dns: [`{attribute.${host.replaceAll('_', '')}}.corp.test`] }, {}), undefined)
  assert.equal(names(HOST, {}), undefined)
  const refused = fill({ sans: HOST }, { host: 'secret value' })
  assert.ok(!refused.ok)
  assert.match(refused.reason, /sans\.dns.*"host"/)
  assert.doesNotMatch(refused.reason, /secret/)
})

test('a refusal names the attribute and never repeats its value, wherever it is refused', () => {
  for (const [given, value] of [
    [{ sans: HOST }, 'se--cret'],
    [{ sans: { dns: ['{attribute.host:labels}'] } }, '10.0.0.77'],
    [{ sans: { dns: ['xn--{attribute.host}.test'] } }, 'secret'],
    [{ sans: { uri: ['spiffe://corp.test/a/..{attribute.host}/'] } }, 'secret'],
    [{ sans: { email: ['ann@{attribute.host}.test'] } }, 'se--cret'],
    [{ subject: { serialNumber: '{attribute.host}' } }, 'secret*1'],
    [{ subject: { C: '{attribute.host}' } }, 'secret'],
    [{ subject: { CN: '{attribute.host}' } }, `secret${'x'.repeat(64)}`],
  ] as const) {
    const refused = fill(given, { host: value })
    assert.ok(!refused.ok, value)
    assert.match(refused.reason, /"host"/)
    assert.doesNotMatch(refused.reason, /secret|se--cret|10\.0\.0\.77/)
  }
})

test('templates that cannot be kept are refused with their key', () => {
  for (const sans of [
    { uri: ['spiffe://{attribute.domain}/a'] },
    { uri: ['{attribute.scheme}://corp.test/a'] },
    { uri: ['{attribute.uri}'] },
    { uri: ['spiffe://corp.test/{attribute.a:labels}'] },
    { dns: ['*.{attribute.host}.test'] },
    { dns: ['{attribute.host:segments}.test'] },
    { dns: ['{attribute.host'] },
    { dns: ['attribute.host}'] },
    { dns: ['{{attribute.host}}'] },
    { dns: ['{host}.test'] },
    { dns: ['{attribute.}.test'] },
    { dns: [''] },
    { email: ['{attribute.a:labels}@corp.test'] },
  ])
    assert.throws(() => mapping({ sans }), /sans\.(dns|uri|email): /, JSON.stringify(sans))
  assert.throws(() => mapping({ subject: { CN: '{attribute.a:labels}' } }), /subject\.CN/)
  assert.throws(() => mapping({ subject: {} }), /at least one attribute/)
})

test('KF-C10 whatever the values, the names have the labels and segments that the template has', () => {
  const random = new SeededRandom('mapping')
  const alphabet = 'abzAZ09-_.*/?,#%@:\\ \n\u00fc\u202e'
  let taken = 0
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.bytes(1 + (round % 6))
    const value = [...bytes].map((byte) => alphabet[byte % alphabet.length]).join('')
    for (const key of names(HOST, { host: value }) ?? []) {
      taken++
      assert.match(key, /^dns:[a-z0-9-]+\.corp\.test$/)
    }
    for (const key of names(SPIFFE, { team: value, service: value }) ?? []) {
      const id = parseSpiffeId(key.slice('uri:'.length))
      assert.equal(id?.trustDomain, 'corp.test')
      assert.deepEqual(id?.path, ['ns', value, 'sa', value])
    }
  }
  assert.ok(taken > 100)
})
