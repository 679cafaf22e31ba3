import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import { readConfig } from '../config/read.ts'
import { createClockGuard } from '../lib/clock-guard.ts'
import { systemRandom } from '../lib/random.ts'
import { openSqliteStore } from '../store/sqlite/engine.ts'
import { createBackground } from './background.ts'
import { startChores } from './chores.ts'
import { homeAt } from './home.ts'

test('KF-E13 what a dead server was signing is looked for every ten seconds', async () => {
  const clock = new FakeClock()
  const [log, metrics] = [new RecordingLogger(), new RecordingMetrics()]
  const store = await openSqliteStore({ path: ':memory:', clock, random: systemRandom })
  const background = createBackground({ clock, log })
  const inAnHour = new Date(clock.now().getTime() + 3_600_000)
  let looks = 0
  startChores({
    home: homeAt('/nowhere'),
    version: 'test',
    config: await readConfig({ home: '/nowhere', set: [] }),
    store,
    enrollment: {
      enroll: () => Promise.reject(new Error('nobody asks')),
      pressure: () => 0,
      resume: async () => {
        looks += 1
        return 0
      },
    },
    noOthers: false,
    clockGuard: createClockGuard({ clock, toleranceSeconds: 60, newestSeen: undefined }),
    issuers: new Map(),
    clock,
    log,
    metrics,
    background,
    serverCertificate: { tls: { cert: '', key: '' }, notAfter: inAnHour, renewAt: inAnHour },
    fail: (error) => assert.fail(error),
    renewServerCertificate: () => Promise.reject(new Error('it is good for an hour')),
  })
  for (let seconds = 0; seconds < 40; seconds += 5) await clock.advance(5_000)
  assert.equal(looks, 5)
  await background.stop()
  await store.close()
})
