import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OrderId } from '../../../src/lib/ids.ts'
import type { AccountRecord } from '../../../src/store/records.ts'
import type { Predecessor, Store } from '../../../src/store/store.ts'
import { auditEvent, authorizationRecord, dnsName, hours, later, orderRecord, problem } from '../../support/records.ts'
import { createAccount, tally, times, type WithStore } from './harness.ts'

const NAME = dnsName('a.internal')

function predecessor(now: Date): Predecessor {
  return { issuerId: 'ab'.repeat(20), serial: '4711', notAfter: later(now, hours(24)) }
}

async function place(store: Store, account: AccountRecord, now: Date, replaces: Predecessor) {
  const order = orderRecord(account, [NAME], now, { replaces: 'q6ur.RxE' })
  const authorization = authorizationRecord(account, NAME, now)
  const outcome = await store.orders.create(order, {
    authorizationIds: [authorization.id],
    newAuthorizations: [authorization],
    now,
    replaces,
    audit: auditEvent(now, 'order.created', { orderId: order.id }),
  })
  return { outcome, id: order.id }
}

export function replacementsContract(withStore: WithStore): void {
  test('a certificate is replaced by one of 20 orders placed at once, and the others leave nothing behind', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const results = await Promise.all(times(20, () => place(store, account, now, predecessor(now))))
      assert.deepEqual(tally(results.map(({ outcome }) => outcome)), { created: 1, 'already-replaced': 19 })
      const winner = results.find(({ outcome }) => outcome === 'created')?.id as OrderId
      assert.equal((await store.orders.get(winner))?.order.replaces, 'q6ur.RxE')
      const counts = await store.retention.counts()
      assert.deepEqual([counts['orders'], counts['authorizations'], counts['replacements']], [1, 1, 1])
    }))

  test('CQ-L03 an order that failed frees what it was to replace, for one of 20', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const first = await place(store, account, now, predecessor(now))
      await store.orders.fail(first.id, { now, error: problem('no'), audit: auditEvent(now, 'order.failed') })
      const results = await Promise.all(times(20, () => place(store, account, now, predecessor(now))))
      assert.deepEqual(tally(results.map(({ outcome }) => outcome)), { created: 1, 'already-replaced': 19 })
    }))

  test('CQ-L03 so does one whose time ran out', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const { id } = await place(store, account, now, predecessor(now))
      const expiresAt = (await store.orders.get(id))?.order.expiresAt as Date
      assert.equal((await place(store, account, later(expiresAt, -1), predecessor(now))).outcome, 'already-replaced')
      assert.equal((await place(store, account, expiresAt, predecessor(now))).outcome, 'created')
    }))

  test('what replaced what is forgotten when the replaced certificate is over', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      await place(store, account, now, predecessor(now))
      const policy = {
        finalOrdersSeconds: 1e6,
        expiredCertificatesSeconds: 1e6,
        unusedAccountsSeconds: 1e6,
        spentEabKeysSeconds: 1e6,
        auditSeconds: 1e6,
        decisionsSeconds: 1e6,
      }
      const end = predecessor(now).notAfter
      await store.retention.sweep(policy, { now: later(end, -1), batch: 100 })
      assert.equal((await store.retention.counts())['replacements'], 1)
      await store.retention.sweep(policy, { now: end, batch: 100 })
      assert.equal((await store.retention.counts())['replacements'], 0)
    }))
}
