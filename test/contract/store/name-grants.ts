import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '../../../src/lib/ids.ts'
import type { AccountRecord, AuthorizationRecord, NameGrantRecord } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import {
  auditEvent,
  authorizationRecord,
  certificateRecord,
  dnsName,
  hours,
  later,
  nameGrantRecord,
  orderRecord,
  problem,
  repeatableRandom,
} from '../../support/records.ts'
import { begin, createAccount, eventNames, respond, type WithStore } from './harness.ts'

/** Names granted without a challenge, and the authorizations that come of them. */
export function nameGrantsContract(withStore: WithStore): void {
  test('a grant is found for its holder, exact name and wildcard flag while it is in force; of two the one that lasts longer', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const other = await createAccount(store, now)
      assert.equal((await store.accounts.find(account.directory, account.id))?.hasNameGrants, undefined)
      const [short, long] = [await grant(store, account, now), await grant(store, account, now, { hours: 2 })]
      const wild = await grant(store, account, now, { wildcard: true })
      assert.equal((await store.accounts.find(account.directory, account.id))?.hasNameGrants, true)
      assert.equal((await store.accounts.find(other.directory, other.id))?.hasNameGrants, undefined)
      const find = (at: Date, value = 'a.test', wildcard = false, holder = account.id) =>
        store.nameGrants.findFor([holder], [{ identifier: dnsName(value), wildcard }], at)
      assert.deepEqual(await find(now), [long])
      assert.deepEqual(await find(now, 'a.test', true), [wild])
      assert.deepEqual(await find(later(now, hours(2))), [undefined])
      assert.deepEqual(await find(now, 'b.a.test'), [undefined])
      assert.deepEqual(await find(now, 'a.test', false, other.id), [undefined])
      assert.deepEqual(new Set(await store.nameGrants.list()), new Set([short, long, wild]))
      assert.deepEqual(await store.nameGrants.list(other.id), [])
    }))

  test('KF-B24 no order and no authorization comes of a grant that has ended', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const granted = await grant(store, account, now)
      const end = later(now, hours(1))
      assert.equal((await order(store, account, granted, later(end, -1))).outcome, 'created')
      assert.equal((await order(store, account, granted, end)).outcome, 'stale')
      const alone = authorizationOf(account, granted, end)
      assert.equal(await store.authorizations.create(alone, auditEvent(end, 'x')), 'grant-ended')
      await revoke(store, granted, now)
      assert.equal((await order(store, account, granted, now)).outcome, 'stale')
    }))

  test('an order whose name is granted is ready from the first, and can be claimed; nothing is asked of its challenges', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const granted = await grant(store, account, now)
      const placed = await order(store, account, granted, now)
      assert.deepEqual((await store.orders.get(placed.order.id))?.authorizations, [placed.authorization])
      assert.equal((await respond(store, placed.authorization, now)).outcome, 'already')
      const names = [{ identifier: dnsName('a.test'), wildcard: false }] as const
      const valid = await store.authorizations.findValid(account.directory, account.id, names, now)
      assert.deepEqual(valid, [placed.authorization])
      assert.equal(await claim(store, account, placed, now), 'begun')
    }))

  test('an authorization that was granted can do without any challenge', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const placed = await order(store, account, await grant(store, account, now), now, { challenges: [] })
      assert.deepEqual((await store.orders.get(placed.order.id))?.authorizations, [placed.authorization])
      const { id, directory, accountId } = placed.authorization
      assert.deepEqual(await store.authorizations.find(directory, accountId, id), placed.authorization)
      assert.equal(await claim(store, account, placed, now), 'begun')
    }))

  test('a revoked grant ends its authorizations and unfinished orders at once, and no others', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const [granted, other] = [await grant(store, account, now), await grant(store, account, now, { wildcard: true })]
      const [placed, kept] = [await order(store, account, granted, now), await order(store, account, other, now)]
      assert.equal((await revoke(store, granted, now))?.outcome, 'revoked')
      assert.equal((await revoke(store, granted, now))?.outcome, 'already')
      assert.deepEqual(await eventNames(store, granted.id), ['name-grant.revoked'])
      const ended = await store.orders.get(placed.order.id)
      assert.deepEqual([ended?.order.failedAt, ended?.authorizations[0]?.revokedAt], [now, now])
      assert.equal(await claim(store, account, placed, now), 'not-ready')
      assert.equal((await store.orders.get(kept.order.id))?.order.failedAt, undefined)
      assert.equal(await claim(store, account, kept, now), 'begun')
      assert.equal(await revoke(store, { ...granted, id: newId(repeatableRandom, 'name-grant', now) }, now), undefined)
    }))

  test('an order races with the end of its grant: it is refused, or it has failed, never claimed', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      for (let round = 0; round < 10; round++) {
        const granted = await grant(store, account, now)
        const [placed] = await Promise.all([order(store, account, granted, now), revoke(store, granted, now)])
        assert.ok(placed.outcome === 'created' || placed.outcome === 'stale')
        assert.equal(await claim(store, account, placed, now), 'not-ready')
      }
    }))
}

async function grant(
  store: Store,
  account: AccountRecord,
  now: Date,
  fields: { readonly wildcard?: boolean; readonly hours?: number } = {},
): Promise<NameGrantRecord> {
  const { wildcard = false, hours: lasts = 1 } = fields
  const made = nameGrantRecord(account.id, now, { wildcard, expiresAt: later(now, hours(lasts)) })
  await store.nameGrants.add([made], [auditEvent(now, 'name-grant.added')])
  return made
}

function revoke(store: Store, { id }: NameGrantRecord, now: Date) {
  const audit = auditEvent(now, 'name-grant.revoked', { requestId: id })
  return store.nameGrants.revoke(id, { now, error: problem('taken back'), audit })
}

function authorizationOf(account: AccountRecord, granted: NameGrantRecord, at: Date): AuthorizationRecord {
  return authorizationRecord(account, dnsName(granted.wildcard ? '*.a.test' : 'a.test'), at, {
    proof: { method: 'pre-authorized', at, grantId: granted.id },
    expiresAt: later(at, hours(1)),
  })
}

async function order(
  store: Store,
  account: AccountRecord,
  granted: NameGrantRecord,
  now: Date,
  fields: Partial<AuthorizationRecord> = {},
) {
  const authorization = { ...authorizationOf(account, granted, now), ...fields }
  const placed = orderRecord(account, [dnsName(granted.wildcard ? '*.a.test' : 'a.test')], now)
  const outcome = await store.orders.create(placed, {
    authorizationIds: [authorization.id],
    newAuthorizations: [authorization],
    now,
    audit: auditEvent(now, 'order.created'),
  })
  return { order: placed, authorization, outcome }
}

function claim(store: Store, account: AccountRecord, placed: { order: { id: string } }, now: Date) {
  const { id: orderId } = placed.order as Awaited<ReturnType<typeof order>>['order']
  return begin(store, certificateRecord(now, { orderId, accountId: account.id, directory: account.directory }), now)
}
