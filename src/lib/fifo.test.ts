import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fifo } from './fifo.ts'

test('a line gives back in the order of arrival, and its newest when asked for it', () => {
  const line = new Fifo<number>()
  assert.deepEqual([line.shift(), line.pop(), line.peek(), line.length], [undefined, undefined, undefined, 0])
  const model: number[] = []
  for (let i = 0; i < 1000; i++) {
    line.push(i)
    model.push(i)
    if (i % 3 !== 0) assert.equal(line.shift(), model.shift())
    if (i % 7 === 0) assert.equal(line.pop(), model.pop())
    assert.deepEqual([line.length, line.peek()], [model.length, model[0]])
  }
  while (model.length > 0) assert.equal(line.shift(), model.shift())
  assert.equal(line.length, 0)
})
