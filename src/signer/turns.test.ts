import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from './turns.ts'

test('KF-F23 a slow signer is used by so many at once, in the order of arrival, and a failure gives its place back', async () => {
  const turns = new Turns(2)
  const begun: number[] = []
  const gates = Array.from({ length: 6 }, () => Promise.withResolvers<void>())
  const works = gates.map((gate, i) =>
    turns.run(async () => {
      begun.push(i)
      await gate.promise
      return i
    }),
  )
  await Promise.resolve()
  assert.deepEqual(begun, [0, 1])
  gates[1]?.reject(new Error('broken'))
  await assert.rejects(works[1] as Promise<number>)
  assert.deepEqual(begun, [0, 1, 2])
  for (const gate of gates) gate.resolve()
  assert.equal(await works[5], 5)
  assert.deepEqual(begun, [0, 1, 2, 3, 4, 5])
})
