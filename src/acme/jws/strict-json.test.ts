import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseStrictJson, StrictJsonError } from './strict-json.ts'

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

test('what JSON.parse reads, and RFC 8259 means, is read alike', () => {
  const texts = [
    'null',
    ' true ',
    'false',
    '0',
    '-0.5e-3',
    '12345678901234567890',
    '""',
    '"\\u00e9\\n\\"\\\\\\/"',
    '"é😀"',
    '[]',
    '{}',
    '[1,[2,{"a":null}]]',
    '{"a":1,"b":{"a":2}}\n',
    '{"":0}',
    '"\\ud83d\\ude00"',
  ]
  for (const text of texts) {
    assert.equal(JSON.stringify(parseStrictJson(text)), JSON.stringify(JSON.parse(text)), text)
  }
})

test('KF-B04 a member that stands twice is refused, also when it is spelled with escapes', () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"x":{"a":1,"b":2,"a":3}}',
    '{"__proto__":1,"__proto__":2}',
  ]) {
    assert.throws(() => parseStrictJson(text), StrictJsonError, text)
  }
})

test('KF-B04 depth 8 is read, depth 9 and depth 20,000 are refused without a stack overflow', () => {
  assert.ok(parseStrictJson(nested(8)))
  for (const text of [nested(9), nested(20_000), '{"a":'.repeat(20_000), '['.repeat(20_000)]) {
    assert.throws(() => parseStrictJson(text), StrictJsonError)
  }
})

test('KF-F12 __proto__, constructor and toString are members like any other, and reach no prototype', () => {
  const value = parseStrictJson(
    '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}',
  ) as object
  assert.equal(Object.getPrototypeOf(value), null)
  assert.deepEqual(Object.keys(value), ['__proto__', 'constructor', 'toString'])
  assert.equal('polluted' in value, false)
  assert.equal('polluted' in {}, false)
  assert.equal('hasOwnProperty' in (parseStrictJson('{}') as object), false)
})

test('what is not exactly one JSON value is refused with its own error only', () => {
  const texts = [
    '',
    ' ',
    '{',
    '[',
    '"',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '[1,]',
    '[1 2]',
    '{a:1}',
    "{'a':1}",
    '01',
    '1.',
    '.5',
    '+1',
    '1e',
    '--1',
    'NaN',
    'Infinity',
    '1e999',
    'nul',
    'truefalse',
    '1 2',
    '{}{}',
    '"\\x41"',
    '"\\u12"',
    '"\t"',
    '"\u0000"',
    '"\n"',
    '\ufeff{}',
    '\u00a0{}',
    '"\\ud800"',
    '"\\udc00 \\ud800"',
    '{"a" 1}',
    '/**/{}',
    '"a',
    '"a\\',
    '"a\\"',
  ]
  for (const text of texts) assert.throws(() => parseStrictJson(text), StrictJsonError, JSON.stringify(text))
})

test('no text makes the parser throw anything but its own error', () => {
  const alphabet = [
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '\\',
    'u',
    '0',
    '1',
    'e',
    '-',
    't',
    'n',
    ' ',
    '\u0001',
    'é',
    '\ud800',
  ]
  let seed = 1
  const next = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed % below
  }
  let readable = 0
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: next(12) }, () => alphabet[next(alphabet.length)]).join('')
    try {
      const value = parseStrictJson(text)
      readable++
      assert.equal(JSON.stringify(value), JSON.stringify(JSON.parse(text)), JSON.stringify(text))
    } catch (error) {
      assert.ok(error instanceof StrictJsonError, JSON.stringify(text))
    }
  }
  assert.ok(readable > 0)
})
