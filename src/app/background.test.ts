import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { RecordingLogger } from '../../test/support/recorders.ts'
import { createBackground } from './background.ts'

test('work runs at once and then every so often, and a failure is logged and does not end it', async () => {
  const clock = new FakeClock()
  const log = new RecordingLogger()
  const background = createBackground({ clock, log })
  let rounds = 0
  background.every('count', 10, () => {
    if (++rounds === 2) throw new Error('second round')
  })
  await clock.advance(0)
  await clock.advance(25_000)
  assert.equal(rounds, 3)
  assert.deepEqual(
    log.of('background.failed').map(({ work }) => work),
    ['count'],
  )
  await background.stop()
  await clock.advance(60_000)
  assert.equal(rounds, 3)
  assert.equal(clock.sleeping, 0)
})

test('stop waits for the round under way', async () => {
  const clock = new FakeClock()
  const background = createBackground({ clock, log: new RecordingLogger() })
  const gate = Promise.withResolvers<void>()
  let ended = false
  background.every('slow', 10, async () => {
    await gate.promise
    ended = true
  })
  await clock.advance(0)
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  const stopped = background.stop()
  gate.resolve()
  await stopped
  assert.equal(ended, true)
})
