import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../../test/support/seeded-random.ts'
import { SequenceIndex } from './sequence-index.ts'
import { compileSequence, holdsSequence } from './sequence-pattern.ts'

/** What the pattern means, written down as plainly as can be: every way to spread `**` is tried. */
function naive(want: readonly string[], name: readonly string[]): boolean {
  const [first, ...rest] = want
  if (first === undefined) return name.length === 0
  if (first !== '**') return name[0] !== undefined && (first === '*' || first === name[0]) && naive(rest, name.slice(1))
  for (let taken = 1; taken <= name.length; taken++) if (naive(rest, name.slice(taken))) return true
  return false
}

const random = new SeededRandom('sequences')
const pick = <T>(from: readonly T[]): T => from[random.bytes(1).readUInt8() % from.length] as T
const sequence = (from: readonly string[], most: number): string[] =>
  Array.from({ length: 1 + (random.bytes(1).readUInt8() % most) }, () => pick(from))

test('a pattern holds what its plain meaning says, over 20,000 pairs', () => {
  let held = 0
  for (let i = 0; i < 20_000; i++) {
    const parts = sequence(['a', 'b', '*', '**'], 4)
    if (parts.filter((part) => part === '**').length > 1) continue
    const name = sequence(['a', 'b'], 5)
    const expected = naive(parts, name)
    assert.equal(holdsSequence(compileSequence(parts), name), expected, `${parts} ${name}`)
    if (expected) held++
  }
  assert.ok(held > 1000)
})

test('KF-C11 a wildcard is held where all it stands for is, and touched where any of it is', () => {
  for (let i = 0; i < 5000; i++) {
    const parts = sequence(['a', 'b', '*', '**'], 4)
    if (parts.filter((part) => part === '**').length > 1) continue
    const base = sequence(['a', 'b'], 3)
    const pattern = compileSequence(parts)
    const stands = ['a', 'b', 'other'].map((last) => naive(parts, [...base, last]))
    assert.equal(holdsSequence(pattern, [...base, '*']), stands.every(Boolean), `${parts} ${base}`)
    assert.equal(holdsSequence(pattern, [...base, '*'], true), stands.some(Boolean), `${parts} ${base}`)
  }
})

test('an index of 500 patterns finds exactly those that hold the name, and those that a wildcard touches', () => {
  const index = new SequenceIndex<number>()
  const patterns = Array.from({ length: 500 }, () => {
    let parts = sequence(['a', 'b', 'c', '*', '**'], 5)
    while (parts.filter((part) => part === '**').length > 1) parts = sequence(['a', 'b', 'c', '*'], 5)
    return compileSequence(parts)
  })
  patterns.forEach((pattern, number) => {
    index.add(pattern, number)
  })
  for (let i = 0; i < 500; i++) {
    const touching = i % 2 === 0
    const name = [...sequence(['a', 'b', 'c', 'd'], 5), ...(touching ? ['*'] : [])]
    const found: number[] = []
    index.find(name, (number) => found.push(number), touching)
    const expected = [...patterns.keys()].filter((at) => holdsSequence(patterns[at]!, name, touching))
    assert.deepEqual(
      found.sort((a, b) => a - b),
      expected,
    )
  }
})

test('KF-F11 no name is looked at more than its length demands: counted, not timed', () => {
  let reads = 0
  const counting = new Proxy(
    Array.from({ length: 5000 }, () => 'a'),
    {
      get(target, key, receiver) {
        if (typeof key === 'string' && /^\d+$/.test(key)) reads++
        return Reflect.get(target, key, receiver)
      },
    },
  )
  for (const parts of [['a', '**', 'b'], ['**'], ['*', '*', '**', 'a', 'a'], ['a', 'a', 'a']]) {
    reads = 0
    holdsSequence(compileSequence(parts), counting)
    assert.ok(reads <= 5000 + parts.length, `${parts}: ${reads}`)
  }
})

test('stars within a part, two gaps and empty parts are no patterns', () => {
  for (const parts of [['a*'], ['**a'], ['***'], ['**', 'a', '**'], [''], [], ['a', '']])
    assert.throws(() => compileSequence(parts), Error, JSON.stringify(parts))
})

test('total: empty names and parts are held by nothing', () => {
  for (const parts of [['*'], ['**'], ['a', '*']])
    for (const name of [[], [''], ['a', ''], ['', 'a']])
      assert.equal(holdsSequence(compileSequence(parts), name), false, `${parts} ${JSON.stringify(name)}`)
})
