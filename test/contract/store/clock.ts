import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditEvent, dnsName, hours, later } from '../../support/records.ts'
import { createAccount, placeOrder, prove, type WithStore } from './harness.ts'

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

  test('KF-E09 what was proved while the clock was ahead is no proof once the clock is right, and does not become one later', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const names = ['before.test', 'ahead.test', 'pending.test'].map(dnsName)
      const { authorizations } = await placeOrder(store, account, names, now)
      const [before, ahead, pending] = authorizations
      assert.ok(before && ahead && pending)
      await prove(store, before, now, hours(100))
      const wrong = later(now, hours(1))
      await prove(store, ahead, wrong, hours(8))
      const provedAt = async (at: Date): Promise<string[]> => {
        const asked = names.map((identifier) => ({ identifier, wildcard: false }))
        const found = await store.authorizations.findValid(account.directory, account.id, asked, at)
        return found.map(({ identifier }) => identifier.value).sort()
      }
      assert.deepEqual(await provedAt(wrong), ['ahead.test', 'before.test'])
      await store.clock.accept(now, auditEvent(now, 'clock.accepted'))
      assert.deepEqual(await provedAt(wrong), ['before.test'])
      assert.deepEqual(await provedAt(now), ['before.test'])
      const kept = await store.authorizations.find(account.directory, account.id, pending.id)
      assert.deepEqual(kept?.expiresAt, pending.expiresAt, 'what nobody proved stays as it is')
    }))
}
