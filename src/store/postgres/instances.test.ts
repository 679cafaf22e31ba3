import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { TEST_SETTINGS } from '../../../test/support/postgres-server.ts'
import { describeOnPostgres } from '../../../test/support/postgres-suite.ts'
import { auditEvent, problem } from '../../../test/support/records.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { moveDatabase } from '../copy/move.ts'
import { postgresEnd } from '../copy/move-ends.ts'
import type { Store } from '../store.ts'
import { openPostgresStore } from './engine.ts'

/** Longer than a server is waited for. */
const TAKEN_FOR_DEAD_MS = 121_000

describeOnPostgres('a server that was taken for dead and is not', (suite) => {
  async function openAt(database: string, wall: FakeClock, options: { readonly serves?: boolean } = {}) {
    const clock: Clock = { ...systemClock, now: () => wall.now() }
    const address = suite.server.address(database)
    const store = await openPostgresStore({ address, settings: TEST_SETTINGS, clock, ...options })
    suite.opened.push(store)
    return { store, end: postgresEnd({ address, settings: TEST_SETTINGS }, database, { clock }) }
  }

  /** As it is after the first start. */
  async function serve(database: string, wall: FakeClock): Promise<Store> {
    const { store } = await openAt(database, wall, { serves: true })
    await store.history.beginFirst('first life', wall.now())
    assert.equal(await store.instances.beat(), undefined)
    assert.equal(await store.instances.beat(), undefined)
    return store
  }

  test('KF-E07 KF-E08 learns at its next heartbeat that the database was moved away', async () => {
    const wall = new FakeClock()
    const from = await suite.server.createDatabase()
    const to = await suite.server.createDatabase()
    const lost = await serve(from, wall)
    await wall.advance(TAKEN_FOR_DEAD_MS)
    const [source, target] = [await openAt(from, wall), await openAt(to, wall)]
    const clock = { ...systemClock, now: () => wall.now() }
    await moveDatabase({ from: source.end, to: target.end, clock, random: systemRandom, voidSecrets: [] })
    assert.match((await lost.instances.beat()) ?? '', new RegExp(`was moved to ${to}.*set store.url`))
    assert.deepEqual(await source.store.instances.list(), [])
    const next = await openAt(to, wall, { serves: true })
    assert.equal(await next.store.instances.beat(), undefined)
  })

  test('KF-E08 KF-B06 learns at its next heartbeat that the database was restored, and all its nonces are void', async () => {
    const wall = new FakeClock()
    const database = await suite.server.createDatabase()
    const lost = await serve(database, wall)
    await wall.advance(TAKEN_FOR_DEAD_MS)
    const { store: tool } = await openAt(database, wall)
    const now = wall.now()
    await tool.recovery.begin('second life', now)
    assert.match((await lost.instances.beat()) ?? '', /was restored.*Start it again/)
    await tool.recovery.finish({
      now,
      error: problem('restored'),
      voidSecrets: [],
      voidEabKeys: false,
      crlNumbers: new Map(),
      audit: () => auditEvent(now, 'store.restored'),
    })
    assert.match((await lost.instances.beat()) ?? '', /was restored.*Start it again/)
    const { store: next } = await openAt(database, wall, { serves: true })
    assert.equal(await next.instances.beat(), undefined)
  })
})
