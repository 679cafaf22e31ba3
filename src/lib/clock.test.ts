import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from './clock.ts'

test('a sleep of more than 24 days, which no single timer can hold, does not end at once', async () => {
  const stop = new AbortController()
  let isAwake = false
  const slept = systemClock.sleep(2 ** 31 + 1000, stop.signal).then(() => {
    isAwake = true
  })
  await new Promise((resolve) => setTimeout(resolve, 25))
  assert.equal(isAwake, false)
  stop.abort()
  await slept
})

test('a sleep ends when its time is over, and at once when its signal aborts or has aborted', async () => {
  const keepAlive = setTimeout(() => undefined, 60_000)
  await systemClock.sleep(1)
  await systemClock.sleep(3_600_000, AbortSignal.abort())
  const stop = new AbortController()
  const slept = systemClock.sleep(3_600_000, stop.signal)
  stop.abort()
  await slept
  clearTimeout(keepAlive)
})

test('what is called off does not ring, and the rest rings once', async () => {
  const rung: string[] = []
  const callOff = systemClock.after(1, () => rung.push('called off'))
  callOff()
  await new Promise<void>((resolve) => {
    systemClock.after(1, () => rung.push('rung'))
    systemClock.after(5, resolve)
    setTimeout(() => undefined, 50)
  })
  callOff()
  assert.deepEqual(rung, ['rung'])
})
