import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { KeyDigests } from './address-limits.ts'
import { GcraSketch } from './sketch.ts'

const RULE = { intervalUs: 1000, burst: 20 }
const NOW = 5_000_000

function digests(): KeyDigests {
  return new KeyDigests(new SeededRandom('sketch').bytes(32))
}

function takeAll(sketch: GcraSketch, digest: Uint8Array, nowUs: number): number {
  let through = 0
  while (sketch.take(digest, nowUs) === 0) through++
  return through
}

test('a key gets its burst, waits, and gets what came back', () => {
  const sketch = new GcraSketch(RULE)
  const digest = digests().of('192.0.2.1/32')
  assert.equal(takeAll(sketch, digest, NOW), 20)
  assert.equal(sketch.peek(digest, NOW), 1000)
  assert.equal(sketch.take(digest, NOW), 1000)
  assert.equal(takeAll(sketch, digest, NOW + 3500), 3)
  assert.equal(takeAll(sketch, digest, NOW + 1_000_000), 20)
})

test('looking takes nothing', () => {
  const sketch = new GcraSketch(RULE)
  const digest = digests().of('k')
  for (let i = 0; i < 100; i++) assert.equal(sketch.peek(digest, NOW), 0)
  assert.equal(sketch.available(digest, NOW), 20)
})

test('KF-F05 two hundred thousand keys take no more memory than none, and nobody gets more than the limit', () => {
  const sketch = new GcraSketch(RULE)
  const before = sketch.bytes
  const keys = digests()
  for (let i = 0; i < 200_000; i++) sketch.take(keys.of(`key ${i}`), NOW)
  assert.equal(sketch.bytes, before)
  assert.ok(before < 1_000_000)
  assert.ok(takeAll(sketch, keys.of('another'), NOW) <= 20)
})

test('KF-F05 ten thousand busy keys leave a newcomer nearly all of its burst', () => {
  const sketch = new GcraSketch({ intervalUs: 1000, burst: 1000 })
  const keys = digests()
  for (let i = 0; i < 10_000; i++) sketch.take(keys.of(`key ${i}`), NOW, 100)
  let whole = 0
  for (let i = 0; i < 1000; i++) if (sketch.available(keys.of(`new ${i}`), NOW) === 1000) whole++
  assert.ok(whole > 950, String(whole))
})

test('KF-F05 cells of a key cannot be foreseen without the secret', () => {
  const [a, b] = [new KeyDigests(Buffer.alloc(32, 1)), new KeyDigests(Buffer.alloc(32, 2))]
  assert.notDeepEqual(a.of('k'), b.of('k'))
  assert.deepEqual(a.of('k'), a.of('k'))
})
