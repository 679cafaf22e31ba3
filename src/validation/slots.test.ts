import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from './slots.ts'

const NEVER = new AbortController().signal

async function isWaiting(promise: Promise<unknown>): Promise<boolean> {
  const waiting = Symbol()
  const turn = new Promise((resolve) => setImmediate(resolve, waiting))
  return (await Promise.race([promise, turn])) === waiting
}

test('KF-F08 a full key waits its turn while other keys go on', async () => {
  const slots = new Slots({ perKey: 2, total: 10 })
  const [first] = [await slots.acquire('a', NEVER), await slots.acquire('a', NEVER)]
  const third = slots.acquire('a', NEVER)
  assert.equal(await isWaiting(third), true)
  await slots.acquire('b', NEVER)
  first()
  first()
  await third
  assert.equal(await isWaiting(slots.acquire('a', NEVER)), true)
  assert.equal(slots.held, 3)
})

test('KF-F08 the total is a bound over all keys', async () => {
  const slots = new Slots({ perKey: 2, total: 2 })
  const [give] = [await slots.acquire('a', NEVER), await slots.acquire('b', NEVER)]
  const waiting = slots.acquire('c', NEVER)
  assert.equal(await isWaiting(waiting), true)
  give()
  await waiting
})

test('who gives up waiting leaves the line and takes no slot', async () => {
  const slots = new Slots({ perKey: 1, total: 1 })
  const give = await slots.acquire('a', NEVER)
  const controller = new AbortController()
  const waiting = slots.acquire('a', controller.signal)
  controller.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
  await assert.rejects(slots.acquire('a', controller.signal), /enough/)
  give()
  assert.equal(slots.held, 0)
})
