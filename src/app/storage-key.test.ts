import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemRandom as random } from '../lib/random.ts'
import { createWrappedKeys, loadStorageKey } from './storage-key.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chancery-storage-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const keys = createWrappedKeys(random.bytes(32), random)

test('KF-G07 a wrapped value opens under its own key and context, and shows nothing of the plain one', () => {
  const plain = Buffer.from('planted secret')
  const wrapped = keys.wrap(plain, 'eab-key:eab_1')
  assert.deepEqual(keys.unwrap(wrapped, 'eab-key:eab_1'), plain)
  assert.equal(wrapped.includes(plain), false)
  assert.notDeepEqual(keys.wrap(plain, 'eab-key:eab_1'), wrapped)
})

test('a wrapped value of another row, another key, or with any byte changed does not open', () => {
  const wrapped = keys.wrap(Buffer.from('x'), 'eab-key:eab_1')
  assert.throws(() => keys.unwrap(wrapped, 'eab-key:eab_2'))
  assert.throws(() => createWrappedKeys(random.bytes(32), random).unwrap(wrapped, 'eab-key:eab_1'))
  for (let i = 0; i < wrapped.length; i++) {
    const changed = Buffer.from(wrapped)
    changed[i] = (changed[i] ?? 0) ^ 1
    assert.throws(() => keys.unwrap(changed, 'eab-key:eab_1'), `byte ${i}`)
    assert.throws(() => keys.unwrap(wrapped.subarray(0, i), 'eab-key:eab_1'), `cut at ${i}`)
  }
})

test('the storage key is made once and found again', async () => {
  const path = join(folder, 'a.key')
  const made = await loadStorageKey(path, { random, create: true })
  const wrapped = made.keys.wrap(Buffer.from('x'), 'c')
  const found = await loadStorageKey(path, { random, create: true })
  assert.deepEqual(found.keys.unwrap(wrapped, 'c'), Buffer.from('x'))
})

test('an absent storage key is not made anew where secrets depend on it', async () => {
  await assert.rejects(loadStorageKey(join(folder, 'none.key'), { random, create: false }), /restore it from a backup/)
})

test('KF-G07 with a passphrase the file holds the key encrypted, and opens with nothing else', async () => {
  const path = join(folder, 'b.key')
  const made = await loadStorageKey(path, { random, create: true, passphrase: 'correct horse' })
  assert.equal(made.encrypted, true)
  const wrapped = made.keys.wrap(Buffer.from('x'), 'c')
  const found = await loadStorageKey(path, { random, create: false, passphrase: 'correct horse' })
  assert.deepEqual(found.keys.unwrap(wrapped, 'c'), Buffer.from('x'))
  await assert.rejects(loadStorageKey(path, { random, create: false, passphrase: 'wrong' }), /does not open it/)
  await assert.rejects(loadStorageKey(path, { random, create: false }), /keys\.passphraseFile/)
})

test('a storage key that others can read, or that is something else, is refused', async () => {
  const path = join(folder, 'c.key')
  await loadStorageKey(path, { random, create: true })
  await chmod(path, 0o644)
  await assert.rejects(loadStorageKey(path, { random, create: false }), /chmod 600/)
  await chmod(path, 0o600)
  const good = await readFile(path, 'utf8')
  for (const bad of ['', 'x', good.slice(0, -5), good.replace('-1 ', '-2 '), `${good.trim()} more`]) {
    await writeFile(path, bad)
    await assert.rejects(loadStorageKey(path, { random, create: false }), /not a storage key/)
  }
})
