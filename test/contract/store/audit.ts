import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditEvent, later } from '../../support/records.ts'
import { createAccount, nonceId, times, type WithStore } from './harness.ts'

export function auditContract(withStore: WithStore): void {
  test('audit events come back as given, oldest first, by request, account, order or serial: 0, 1, 2, many', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      await store.audit.append([])
      assert.deepEqual(await store.audit.findByReference('req', 10), [])
      const events = times(12, (i) =>
        auditEvent(later(now, -i), `event ${i}`, {
          requestId: 'req',
          ...(i < 1 && { serial: '01' }),
          ...(i < 2 && { orderId: 'ord' }),
          ...(i < 5 && { accountId: 'acc', directory: 'default' }),
          data: { i, nested: { list: [1, 'two', null] } },
        }),
      )
      await store.audit.append(events.slice(0, 1))
      await store.audit.append(events.slice(1))
      for (const [reference, count] of [
        ['01', 1],
        ['ord', 2],
        ['acc', 5],
        ['req', 12],
        ['default', 0],
        ['', 0],
      ] as const) {
        assert.deepEqual(await store.audit.findByReference(reference, 100), events.slice(0, count))
      }
      assert.deepEqual(await store.audit.findByReference('req', 3), events.slice(0, 3))
    }))

  test('what came of challenges is found by account and time, and nothing else is', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const { id: accountId } = await createAccount(store, now)
      const events = ['validation.succeeded', 'validation.failed', 'order.created', 'validation.succeeded'].map(
        (event, i) => auditEvent(later(now, i), event, { accountId, directory: 'default', data: { i } }),
      )
      const other = auditEvent(now, 'validation.failed', { accountId: 'acc_other', directory: 'default' })
      await store.audit.append([...events, other])
      const found = async (from: number, to: number, limit = 10) => {
        const range = { from: later(now, from), to: later(now, to), limit }
        return (await store.audit.findProofs(accountId, range)).map(({ data }) => data['i'])
      }
      assert.deepEqual(await found(0, 9), [0, 1, 3])
      assert.deepEqual(await found(1, 2), [1])
      assert.deepEqual(await found(0, 9, 1), [0])
      assert.deepEqual(await found(4, 9), [])
    }))

  test('an event that names one id in several places is told once', () =>
    withStore(async ({ store, clock }) => {
      const event = auditEvent(clock.now(), 'odd', { requestId: 'x', accountId: 'x', orderId: 'x', serial: 'x' })
      await store.audit.append([event])
      assert.deepEqual(await store.audit.findByReference('x', 10), [event])
    }))

  test('of several events one cannot be written: none is', () =>
    withStore(async ({ store, clock }) => {
      const circular: Record<string, unknown> = {}
      circular['self'] = circular
      const events = [
        auditEvent(clock.now(), 'fine', { requestId: 'r' }),
        auditEvent(clock.now(), 'bad', { requestId: 'r', data: circular }),
      ]
      await assert.rejects(store.audit.append(events), { name: 'Error', code: 'failed' })
      assert.deepEqual(await store.audit.findByReference('r', 10), [])
    }))

  test('the store answers a ping, and refuses everything once it is closed', () =>
    withStore(async ({ store, clock }) => {
      await store.ping()
      const pending = store.nonces.spend(nonceId(store, clock.now()), clock.now())
      await store.close()
      assert.equal(await pending, true, 'a write under way is finished')
      await assert.rejects(store.ping(), { code: 'failed' })
      await assert.rejects(store.nonces.spend(nonceId(store, clock.now()), clock.now()), { code: 'failed' })
      await assert.rejects(store.eabKeys.list(), { code: 'failed' })
      await store.close()
    }))
}
