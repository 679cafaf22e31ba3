import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { normalizeUri, parseSpiffeId } from './uri.ts'

/** The examples of the SPIFFE-ID standard §2, and those that implementations of it are tested with. */
const GOOD_SPIFFE = [
  'spiffe://staging.example.com/payments/mysql',
  'spiffe://staging.example.com/payments/web-fe',
  'spiffe://k8s-west.example.com/ns/staging/sa/default',
  'spiffe://example.com/9eebccd2-12bf-40a6-b262-65fe0487d453',
  'spiffe://trust_domain-1.2/path',
  'spiffe://10.0.0.1/path',
  'spiffe://trustdomain',
  'spiffe://td/A/b_C/1.2-3',
  'spiffe://td/...',
  `spiffe://${'a'.repeat(255)}/p`,
]

const BAD_SPIFFE = [
  'spiffe://',
  'spiffe:///path',
  'spiffe:/td/path',
  'spiffe:td',
  'SPIFFE://td/path',
  'Spiffe://td/path',
  'spiffe://Td/path',
  'spiffe://td/',
  'spiffe://td//path',
  'spiffe://td/path/',
  'spiffe://td/.',
  'spiffe://td/..',
  'spiffe://td/a/../b',
  'spiffe://td/a/./b',
  'spiffe://td:8443/path',
  'spiffe://user@td/path',
  'spiffe://user:pass@td/path',
  'spiffe://td/path?query',
  'spiffe://td/path#fragment',
  'spiffe://td/pa%20th',
  'spiffe://t%64/path',
  'spiffe://td/pa th',
  'spiffe://td/*',
  'spiffe://*/path',
  'spiffe://td/pa\u00fcth',
  'spiffe://[::1]/path',
  'spiffe://td\\path',
  'spiffe://td/path\n',
  `spiffe://${'a'.repeat(256)}/p`,
  `spiffe://td/${'a'.repeat(2048)}`,
]

test('SPIFFE ids of the standard are taken as they are', () => {
  for (const uri of GOOD_SPIFFE) assert.deepEqual(normalizeUri(uri), { ok: true, uri }, uri)
  assert.deepEqual(parseSpiffeId('spiffe://td/a/b'), { trustDomain: 'td', path: ['a', 'b'] })
  assert.deepEqual(parseSpiffeId('spiffe://td'), { trustDomain: 'td', path: [] })
})

test('whatever is written in another way than the one a SPIFFE id has is refused', () => {
  for (const uri of BAD_SPIFFE) {
    assert.equal(normalizeUri(uri).ok, false, uri)
    assert.equal(parseSpiffeId(uri), undefined, uri)
  }
})

test('other URIs are absolute, printable, in lower case where case means nothing, and nobody else is in them', () => {
  for (const uri of ['https://a.test/x', 'urn:uuid:f81d4fae-7dec', 'https://a.test/%7Eb?c=d', 'ldap://[fd00::1]/c'])
    assert.deepEqual(normalizeUri(uri), { ok: true, uri }, uri)
  for (const uri of [
    '',
    'a.test',
    '/path',
    '//a.test/',
    'https:',
    'https://',
    'https:///x',
    'HTTPS://a.test/',
    'https://A.test/',
    'https://u@a.test/',
    'https://a.test/#f',
    'https://a.test/a b',
    'https://a.test/../x',
    'https://a.test/%zz',
    'https://a.test/%2',
    'https://a.test/"',
    'h ttp://a.test/',
    'https://\u0430.test/',
    '1http://a.test/',
  ])
    assert.equal(normalizeUri(uri).ok, false, uri)
})

test('any text at all is answered, and what is taken comes back unchanged', () => {
  const random = new SeededRandom('uris')
  const alphabet = 'spiffe:/.%#?@[]*-_aA0 \n\u00fc\u0000'
  for (let round = 0; round < 5_000; round++) {
    const bytes = random.bytes(24)
    const text = `${round % 2 === 0 ? 'spiffe://td/' : ''}${[...bytes].map((b) => alphabet[b % alphabet.length]).join('')}`
    const result = normalizeUri(text)
    if (!result.ok) continue
    assert.equal(result.uri, text)
    assert.match(text, /^[!-~]+$/)
    if (text.startsWith('spiffe:')) assert.doesNotMatch(text, /[%#?@*]|\/\/.*\/\/|\/$|\/\.\.?(\/|$)/)
  }
})
