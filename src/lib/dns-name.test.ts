import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normalizeDnsName } from './dns-name.ts'

const label63 = 'a'.repeat(63)
const name253 = `${label63}.${label63}.${label63}.${'a'.repeat(61)}`

/** Text, and the name it becomes; undefined means refused. Wildcards are allowed. */
const NAMES: readonly (readonly [string, string | undefined])[] = [
  // well-formed
  ['a.test', 'a.test'],
  ['A.Test', 'a.test'],
  ['WWW.EXAMPLE.TEST', 'www.example.test'],
  ['localhost', 'localhost'],
  ['a', 'a'],
  ['a-b.test', 'a-b.test'],
  ['a--b.test', 'a--b.test'],
  ['abc--d.test', 'abc--d.test'],
  ['1.test', '1.test'],
  ['1-2-3-4.test', '1-2-3-4.test'],
  ['1.2.3.4.test', '1.2.3.4.test'],
  ['123abc', '123abc'],
  ['0xg.test', '0xg.test'],
  ['3com.test', '3com.test'],
  [`${label63}.test`, `${label63}.test`],
  [name253, name253],
  ['*.a.test', '*.a.test'],
  ['*.A.test', '*.a.test'],
  ['*.test', '*.test'],
  ['*.xn--bcher-kva.test', '*.xn--bcher-kva.test'],
  ['xn--bcher-kva.test', 'xn--bcher-kva.test'],
  ['XN--BCHER-KVA.test', 'xn--bcher-kva.test'],
  ['xn--fa-hia.test', 'xn--fa-hia.test'],
  ['xn--wgv71a119e.test', 'xn--wgv71a119e.test'],
  ['xn--55qx5d.test', 'xn--55qx5d.test'],
  ['xn--mgba3gch31f060k.test', 'xn--mgba3gch31f060k.test'],
  ['xn--80ak6aa92e.test', 'xn--80ak6aa92e.test'],
  ['xn--0-eha.test', 'xn--0-eha.test'],
  // length and dots
  ['', undefined],
  ['.', undefined],
  ['..', undefined],
  ['a..test', undefined],
  ['.a.test', undefined],
  ['a.test.', undefined],
  ['a.test..', undefined],
  [`${'a'.repeat(64)}.test`, undefined],
  [`${name253}a`, undefined],
  [`*.${name253}`, undefined],
  ['a'.repeat(10_000), undefined],
  ['a.'.repeat(5_000), undefined],
  // characters
  ['_a.test', undefined],
  ['a_b.test', undefined],
  ['_acme-challenge.a.test', undefined],
  ['a b.test', undefined],
  [' a.test', undefined],
  ['a.test ', undefined],
  ['a.test\n', undefined],
  ['a.te\0st', undefined],
  ['a\\b.test', undefined],
  ['a@b.test', undefined],
  ['a,b.test', undefined],
  ['a?b.test', undefined],
  ['a%2eb.test', undefined],
  ['a/b.test', undefined],
  ['a.test/', undefined],
  ['https://a.test', undefined],
  ['a.test:443', undefined],
  ['bücher.test', undefined],
  ['BÜCHER.test', undefined],
  ['ａ.test', undefined],
  ['ａｂｃ。test', undefined],
  ['a。test', undefined],
  ['a\u00adb.test', undefined],
  ['\u212a.test', undefined], // the Kelvin sign lower-cases to an ASCII k
  ['\u0130.test', undefined],
  ['a\u200bb.test', undefined],
  ['\ud800.test', undefined],
  ['аpple.test', undefined], // Cyrillic а
  // hyphens
  ['-a.test', undefined],
  ['a-.test', undefined],
  ['-.test', undefined],
  ['a.-', undefined],
  ['ab--c.test', undefined],
  ['zz--z.test', undefined],
  // wildcards
  ['*', undefined],
  ['*.', undefined],
  ['*.*', undefined],
  ['**.a.test', undefined],
  ['*.*.a.test', undefined],
  ['a.*.test', undefined],
  ['a*.test', undefined],
  ['*a.test', undefined],
  ['a.test.*', undefined],
  ['*..test', undefined],
  ['*.1.2.3.4', undefined],
  ['*.[::1]', undefined],
  // addresses
  ['127.0.0.1', undefined],
  ['127.1', undefined],
  ['2130706433', undefined],
  ['0x7f.1', undefined],
  ['0177.0.0.1', undefined],
  ['1.2.3.4.5', undefined],
  ['a.1', undefined],
  ['a.0x1', undefined],
  ['a.0x', undefined],
  ['::1', undefined],
  ['[::1]', undefined],
  ['fe80::1%eth0', undefined],
  ['１２７.0.0.1', undefined],
  // A-labels
  ['xn--.test', undefined],
  ['xn--a.test', undefined],
  ['xn--abc-.test', undefined],
  ['xn--zzzzzzzz9.test', undefined],
  ['xn--99999999.test', undefined],
  ['xn---epa.test', undefined], // a second spelling of xn--epa
  ['xn--ls8h.test', undefined], // an emoji: not IDNA2008
  ['xn--1ch.test', undefined], // a mathematical symbol
  ['xn--ab-0ea.test', undefined], // middle dot not between two l
  ['xn--a-ecp.test', undefined],
]

test('KF-A24 CQ-O08 names of every kind become one lower-case form or are refused with a reason', () => {
  assert.ok(NAMES.length >= 100)
  for (const [text, expected] of NAMES) {
    const result = normalizeDnsName(text, { wildcard: true })
    if (expected === undefined) {
      assert.ok(!result.ok, `accepted ${JSON.stringify(text.slice(0, 80))}`)
      assert.ok(result.reason.length > 10)
    } else {
      assert.deepEqual(result, { ok: true, name: expected }, text)
    }
  }
})

test('KF-A24 a wildcard is refused where the caller did not allow one', () => {
  assert.equal(normalizeDnsName('*.a.test').ok, false)
  assert.equal(normalizeDnsName('*.a.test', { wildcard: false }).ok, false)
  assert.equal(normalizeDnsName('a.test').ok, true)
})

test('CQ-O09 an address is refused as an address, in whatever spelling', () => {
  for (const text of ['10.0.0.1', '127.1', '0x7f.1', '::1', '[::1]', '2130706433']) {
    const result = normalizeDnsName(text)
    assert.ok(!result.ok && result.reason.includes('IP address'), text)
  }
})

test('KF-A24 normalising never throws, and twice gives what once gave, over random strings', () => {
  const alphabet = [
    'a',
    'Z',
    '0',
    '9',
    '-',
    '.',
    '*',
    '_',
    'xn--',
    'ü',
    'ß',
    '。',
    '\ud83d',
    'K',
    ':',
    '[',
    '%',
    '\0',
    '1',
  ]
  let seed = 0x5eed
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 8) % below
  }
  let accepted = 0
  for (let round = 0; round < 20_000; round++) {
    // Half of the rounds draw from the first characters only, so that many names are well-formed.
    const size = round % 2 === 0 ? 6 : alphabet.length
    const text = Array.from({ length: next(12) }, () => alphabet[next(size)]).join('')
    const once = normalizeDnsName(text, { wildcard: true })
    if (!once.ok) continue
    accepted++
    assert.deepEqual(normalizeDnsName(once.name, { wildcard: true }), once)
    assert.match(once.name, /^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$/)
  }
  assert.ok(accepted > 500, `only ${accepted} names were accepted`)
})
