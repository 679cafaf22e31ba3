import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateTestKey } from '../../../test/support/test-keys.ts'
import type { Jwk } from '../../store/records.ts'
import { KeyCache } from './key-cache.ts'

test('a key is imported once, and the least recently used one is forgotten first', () => {
  const cache = new KeyCache(2)
  const keys = [1, 2, 3].map(() => generateTestKey())
  const get = (index: number) => cache.get(keys[index]!.thumbprint, keys[index]!.jwk as unknown as Jwk)
  const first = get(0)
  const second = get(1)
  assert.equal(get(0), first)
  get(2)
  assert.equal(cache.size, 2)
  assert.equal(get(0), first)
  assert.notEqual(get(1), second)
  assert.ok(get(1).equals(keys[1]!.publicKey))
})
