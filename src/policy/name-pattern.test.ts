import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileNamePattern } from './name-pattern.ts'

test('KF-C11 a pattern holds names by whole labels', () => {
  const table: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['a.test', ['a.test'], ['b.a.test', 'evil-a.test', 'a.test.evil', 'test', 'a', '', '.a.test', 'a.test.', 'aatest']],
    ['*.a.test', ['b.a.test'], ['a.test', 'c.b.a.test', '.a.test', 'b.evil-a.test', 'ba.test', '*.a.testx']],
    ['**.a.test', ['b.a.test', 'c.b.a.test'], ['a.test', 'evil-a.test', 'b.evil-a.test', '.a.test', 'b..a.test']],
    ['**.test', ['a.test', 'a.b.test'], ['test', '', '.test', 'a.test.evil', 'atest']],
    ['*', ['a', 'localhost'], ['a.b', '']],
    ['**', ['a', 'a.b', 'a.b.c'], ['', '.', 'a.', '.a', 'a..b']],
    ['a.*.test', ['a.b.test'], ['a.test', 'a.b.c.test', 'b.b.test']],
    ['a.**.test', ['a.b.test', 'a.b.c.test'], ['a.test', 'b.c.test', 'a.test.test.b']],
    ['a.**', ['a.b', 'a.b.c'], ['a', 'b.a']],
    ['*.**.test', ['a.b.test', 'a.b.c.test'], ['a.test', 'test']],
    ['**.*.test', ['a.b.test', 'a.b.c.test'], ['a.test', 'test']],
    ['**.A.Test', ['b.a.test'], ['a.test']],
  ]
  for (const [text, held, others] of table) {
    const pattern = compileNamePattern(text)
    for (const name of held) assert.equal(pattern.holds(name), true, `${text} holds ${name}`)
    for (const name of held) assert.equal(pattern.touches(name), true, `${text} touches ${name}`)
    for (const name of others) assert.equal(pattern.holds(name), false, `${text} does not hold ${name}`)
    for (const name of others) {
      if (!name.startsWith('*.')) assert.equal(pattern.touches(name), false, `${text} does not touch ${name}`)
    }
  }
})

test('KF-C11 a wildcard is held only whole, and touched by one name it could stand for', () => {
  const table: readonly (readonly [string, string, boolean, boolean])[] = [
    // pattern, wildcard, holds, touches
    ['*.a.test', '*.a.test', true, true],
    ['**.a.test', '*.a.test', true, true],
    ['**.test', '*.a.test', true, true],
    ['**.a.test', '*.b.a.test', true, true],
    ['*.a.test', '*.b.a.test', false, false],
    ['www.a.test', '*.a.test', false, true],
    ['a.test', '*.a.test', false, false],
    ['b.www.a.test', '*.a.test', false, false],
    ['*.test', '*.test', true, true],
    ['*.www.a.test', '*.a.test', false, false],
    ['www.**', '*.a.test', false, true],
    ['a.**.test', '*.b.test', false, true],
    ['**.test', '*.test', true, true],
  ]
  for (const [text, name, holds, touches] of table) {
    const pattern = compileNamePattern(text)
    assert.equal(pattern.holds(name), holds, `${text} holds ${name}`)
    assert.equal(pattern.touches(name), touches, `${text} touches ${name}`)
  }
})

test('a pattern that is not one is refused, with the reason', () => {
  const faults: readonly (readonly [string, RegExp])[] = [
    ['', /empty/],
    ['a*.test', /whole labels/],
    ['***.test', /whole labels/],
    ['*a.test', /whole labels/],
    ['**.a.**', /only once/],
    ['.test', /empty label/],
    ['a.test.', /dot/],
    ['a_b.test', /underscore/],
    ['(a+)+$', /character/],
    ['10.0.0.1', /IP address/],
    ['bücher.test', /xn--/],
    ['\u212a.test', /xn--/],
    [`${'a'.repeat(64)}.test`, /63/],
  ]
  for (const [text, reason] of faults) assert.throws(() => compileNamePattern(text), reason, text)
})

test('KF-A25 KF-F11 matchers answer for any string, however long or odd', () => {
  const patterns = ['a.test', '*.a.test', '**.a.test', '**', '*', 'a.**.b.test', '*.*.*.**.*.test'].map(
    compileNamePattern,
  )
  const hostile = [
    '',
    '.',
    '*',
    '*.',
    '**',
    'a',
    '\0',
    '\ud800',
    '__proto__',
    'a'.repeat(10_000),
    '.'.repeat(10_000),
    'a.'.repeat(5_000),
    `${'a.'.repeat(5_000)}b.test`,
    `${'*.'.repeat(5_000)}test`,
    `${'test.'.repeat(2_000)}evil`,
  ]
  const answers = hostile.map((name) => patterns.map((p) => [p.holds(name), p.touches(name)]))
  assert.ok(answers.flat(2).every((answer) => typeof answer === 'boolean'))
  for (const name of ['', '.', '.'.repeat(10_000), 'a.'.repeat(5_000)]) {
    assert.ok(!patterns.some((p) => p.holds(name)), JSON.stringify(name.slice(0, 20)))
  }
})

/** The definition, read literally and slowly. */
function reference(pattern: readonly string[], name: readonly string[]): boolean {
  const [want, ...rest] = pattern
  const [label, ...others] = name
  if (want === undefined) return label === undefined
  if (label === undefined || label === '') return false
  if (want === '**') return reference(rest, others) || reference(pattern, others)
  return (want === '*' || want === label) && reference(rest, others)
}

test('KF-A25 KF-C11 over random patterns and names, matching agrees with the definition', () => {
  let seed = 0xc11
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 8) % below
  }
  const labels = (alphabet: readonly string[], most: number): string[] =>
    Array.from({ length: 1 + next(most) }, () => alphabet[next(alphabet.length)]!)
  let held = 0
  for (let round = 0; round < 5_000; round++) {
    const wanted = labels(['a', 'b', '*', '**'], 4)
    if (wanted.filter((label) => label === '**').length > 1) continue
    const pattern = compileNamePattern(wanted.join('.'))
    const name = labels(['a', 'b', ''], 5)
    const expected = reference(wanted, name)
    if (expected) held++
    assert.equal(pattern.holds(name.join('.')), expected, `${pattern.text} ${name.join('.')}`)
    assert.equal(pattern.touches(name.join('.')), expected, `${pattern.text} ${name.join('.')}`)
    const base = labels(['a', 'b'], 4)
    const below = ['a', 'b', 'c'].map((label) => reference(wanted, [label, ...base]))
    assert.equal(pattern.holds(`*.${base.join('.')}`), below.every(Boolean), `${pattern.text} *.${base.join('.')}`)
    assert.equal(pattern.touches(`*.${base.join('.')}`), below.some(Boolean), `${pattern.text} *.${base.join('.')}`)
  }
  assert.ok(held > 100, `only ${held} names were held`)
})
