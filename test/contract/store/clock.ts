import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditEvent, hours, later } from '../../support/records.ts'
import type { WithStore } from './harness.ts'

export function clockContract(withStore: WithStore): void {
  test('KF-E09 the newest instant is remembered, whatever it was seen by, and never goes back by itself', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      assert.equal(await store.clock.newestSeen(), undefined)
      await store.clock.note(now)
      assert.deepEqual(await store.clock.newestSeen(), now)
      await store.clock.note(later(now, -hours(1)))
      assert.deepEqual(await store.clock.newestSeen(), now)
      const worked = later(now, hours(1))
      await store.audit.append([auditEvent(worked, 'work')])
      assert.deepEqual(await store.clock.newestSeen(), worked)
      await store.clock.note(later(worked, 1))
      // Work that was done while the clock was behind does not take the memory away.
      await store.audit.append([auditEvent(later(now, -hours(5)), 'work in the past')])
      assert.deepEqual(await store.clock.newestSeen(), later(worked, 1))
      clock.setWall(later(now, -hours(9)))
      await store.ping()
      assert.deepEqual(await store.clock.newestSeen(), later(worked, 1))
      clock.setWall(later(now, hours(9)))
      await store.ping()
      assert.deepEqual(await store.clock.newestSeen(), later(now, hours(9)))
    }))

  test('KF-E09 an operator may say that an earlier time is right, and the trail keeps that', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const ahead = later(now, hours(24 * 365))
      await store.clock.note(ahead)
      await store.audit.append([auditEvent(ahead, 'work')])
      await store.clock.accept(now, auditEvent(now, 'clock.accepted', { requestId: 'req_accept' }))
      assert.deepEqual(await store.clock.newestSeen(), now)
      assert.equal((await store.audit.findByReference('req_accept', 10)).length, 1)
    }))
}
