import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { within } from './within.ts'

const SECOND = 1000

/** What nobody handled, and what was thrown where nobody could. */
function unhandled(t: TestContext): unknown[] {
  const found: unknown[] = []
  const note = (error: unknown): void => void found.push(error)
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  t.after(() => {
    process.off('unhandledRejection', note)
    process.off('uncaughtException', note)
  })
  return found
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('what ends in time is what it ends with, and leaves no timer behind', async () => {
  const clock = new FakeClock()
  const late = () => assert.fail('it is not late')
  assert.equal(await within(clock, SECOND, Promise.resolve('done'), late), 'done')
  await assert.rejects(within(clock, SECOND, Promise.reject(new Error('broken')), late), /broken/)
  await turns()
  assert.equal(clock.sleeping, 0)
})

test('KF-F14 what ends late is not heard any more, whichever way it ends', async (t) => {
  const found = unhandled(t)
  for (const end of ['resolve', 'reject'] as const) {
    const clock = new FakeClock()
    const work = Promise.withResolvers<string>()
    const waiting = within(clock, SECOND, work.promise, () => 'late')
    await clock.advance(SECOND)
    assert.equal(await waiting, 'late')
    work[end]('ended')
    await turns()
  }
  assert.deepEqual(found, [])
})

test('KF-F14 whoever waits hears of what went wrong because it was late, thrown at once or later', async () => {
  const ways = [
    () => {
      throw new Error('gave up')
    },
    () => Promise.reject(new Error('gave up')),
  ]
  for (const late of ways) {
    const clock = new FakeClock()
    const waiting = within(clock, SECOND, new Promise(() => {}), late)
    const heard = assert.rejects(waiting, /gave up/)
    await clock.advance(SECOND)
    await heard
  }
})
