import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccountRecord, AuthorizationRecord } from '../../../src/store/records.ts'
import type { ReuseKey, Store } from '../../../src/store/store.ts'
import {
  auditEvent,
  authorizationRecord,
  certificateRecord,
  dnsName,
  hours,
  later,
  orderRecord,
  PROFILE,
  problem,
} from '../../support/records.ts'
import {
  begin,
  createAccount,
  eventNames,
  firstChallengeId,
  placeOrder,
  prove,
  readyOrder,
  respond,
  times,
  type WithStore,
} from './harness.ts'

export function authorizationsContract(withStore: WithStore): void {
  test('an authorization comes back as given, with one or three challenges in their order', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      for (const challengeTypes of [['dns-01'], ['tls-alpn-01', 'http-01', 'dns-01']] as const) {
        const authorization = await pending(store, account, clock.now(), { challengeTypes })
        assert.deepEqual(
          await store.authorizations.find(account.directory, account.id, authorization.id),
          authorization,
        )
        for (const challenge of authorization.challenges) {
          const found = await store.authorizations.findChallenge(account.directory, account.id, challenge.id)
          assert.deepEqual(found, { challenge, authorization })
        }
      }
    }))

  test('a name that is proved without a challenge, of any type, is valid from the first and carries an order', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      for (const identifier of [
        { type: 'uri', value: 'spiffe://corp.test/ns/shop/sa/Web' },
        { type: 'email', value: 'Ann@corp.test' },
        { type: 'ip', value: '10.0.0.1' },
        dnsName('bound.test'),
      ] as const) {
        const proof = { method: 'account-binding', at: now } as const
        const authorization = authorizationRecord(account, identifier, now, { challenges: [], proof })
        const order = orderRecord(account, [identifier], now)
        const created = await store.orders.create(order, {
          authorizationIds: [authorization.id],
          newAuthorizations: [authorization],
          now,
          audit: auditEvent(now, 'order.created', { orderId: order.id }),
        })
        assert.equal(created, 'created')
        assert.deepEqual(await store.orders.get(order.id), { order, authorizations: [authorization] })
        const found = await store.authorizations.find(account.directory, account.id, authorization.id)
        assert.deepEqual(found, authorization)
        const name = { identifier, wildcard: false }
        const valid = await store.authorizations.findValid(account.directory, account.id, [name], now)
        assert.deepEqual(valid, [authorization])
        const outcome = await begin(store, certificateRecord(now, { order }), now)
        assert.equal(outcome, 'begun')
      }
    }))

  test('KF-B09 an authorization or challenge of another account or directory is absent', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const stranger = await createAccount(store, now)
      const authorization = await pending(store, account, now)
      const challengeId = firstChallengeId(authorization)
      for (const [directory, id] of [
        ['other', account.id],
        [account.directory, stranger.id],
      ] as const) {
        assert.equal(await store.authorizations.find(directory, id, authorization.id), undefined)
        assert.equal(await store.authorizations.findChallenge(directory, id, challengeId), undefined)
        const options = { now, error: problem('no'), audit: auditEvent(now, 'x') }
        assert.equal(await store.authorizations.deactivate(directory, id, authorization.id, options), undefined)
      }
      assert.deepEqual(await store.authorizations.find(account.directory, account.id, authorization.id), authorization)
    }))

  test('KF-A06 KF-A07 reuse asks for the same account, directory, name, wildcard flag and profile', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const stranger = await createAccount(store, now)
      const authorization = await pending(store, account, now)
      await prove(store, authorization, now)
      const key = reuseKey(authorization)
      const others: ReuseKey[] = [
        { ...key, wildcard: true },
        { ...key, profile: 'other' },
        { ...key, accountId: stranger.id },
        { ...key, directory: 'other' },
        { ...key, identifier: { type: 'dns', value: 'b.test' } },
        { ...key, identifier: { type: 'ip', value: key.identifier.value } },
      ]
      const found = await store.authorizations.findReusable([...others, key], { now, pendingSince: later(now, -1) })
      assert.deepEqual(
        found.map((hit) => hit?.id),
        [...others.map(() => undefined), authorization.id],
      )
    }))

  test('reuse prefers the valid authorization that lasts longest, then the newest pending one', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      const start = clock.now()
      const since = { now: start, pendingSince: later(start, -hours(1)) }
      const find = async (options = since) => {
        const [key] = [reuseKey(oldest)]
        return (await store.authorizations.findReusable([key], options))[0]?.id
      }
      const oldest = await pending(store, account, later(start, -hours(1)))
      assert.equal(await find(), undefined, 'created exactly at pendingSince is too old')
      const older = await pending(store, account, later(start, -2000))
      const newer = await pending(store, account, later(start, -1000))
      assert.equal(await find(), newer.id)
      await respond(store, newer, start)
      assert.equal(await find(), older.id, 'an answered one is not shared (CQ-O12)')
      await prove(store, oldest, start, hours(2))
      await prove(store, older, start, hours(3))
      const young = await pending(store, account, start)
      assert.equal(await find(), older.id)
      assert.equal(await find({ ...since, now: later(start, hours(3)) }), young.id, 'a proof ends at its very instant')
      await deactivate(store, young, start)
      assert.equal(await find({ ...since, now: later(start, hours(3)) }), undefined)
    }))

  test('reuse is looked up for no key, one, and as many as an order may name', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const options = { now, pendingSince: later(now, -1) }
      assert.deepEqual(await store.authorizations.findReusable([], options), [])
      const made = await Promise.all(times(100, (i) => pending(store, account, now, {}, `${i}.test`)))
      assert.deepEqual(await store.authorizations.findReusable(made.map(reuseKey), options), made)
    }))

  test('KF-B19 valid authorizations are found by name over all profiles, and only while they last', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const one = await pending(store, account, now)
      const other = await pending(store, account, now, { profile: 'other' })
      const wild = await pending(store, account, now, {}, '*.a.test')
      await pending(store, account, now)
      for (const authorization of [one, other, wild]) await prove(store, authorization, now, hours(1))
      const name = { identifier: { type: 'dns', value: 'a.test' }, wildcard: false } as const
      const find = async (names: Parameters<Store['authorizations']['findValid']>[2], at = now) =>
        (await store.authorizations.findValid(account.directory, account.id, names, at)).map(({ id }) => id)
      assert.deepEqual(await find([]), [])
      assert.deepEqual(new Set(await find([name])), new Set([one.id, other.id]))
      assert.deepEqual(await find([{ ...name, wildcard: true }]), [wild.id])
      assert.equal((await find([name, { ...name, wildcard: true }])).length, 3)
      assert.deepEqual(await find([name], later(now, hours(1))), [])
      await deactivate(store, one, now)
      assert.deepEqual(await find([name]), [other.id])
      assert.deepEqual(await store.authorizations.findValid('other', account.id, [name], now), [])
    }))

  test('CQ-O13 deactivation ends pending and valid authorizations once, and fails the unfinished orders that hold them', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const waiting = await placeOrder(store, account, [dnsName('a.test'), dnsName('b.test')], now)
      const ready = await readyOrder(store, account, [dnsName('c.test')], now)
      const claimed = await readyOrder(store, account, [dnsName('d.test')], now)
      assert.equal(await begin(store, certificateRecord(now, claimed), now), 'begun')
      const bystander = await readyOrder(store, account, [dnsName('e.test')], now)
      for (const placed of [waiting, ready, claimed]) {
        const [authorization] = placed.authorizations
        assert.ok(authorization)
        const first = await deactivate(store, authorization, now)
        assert.deepEqual(first?.deactivatedAt, now)
        assert.deepEqual(await deactivate(store, authorization, later(now, 5000)), first)
        assert.deepEqual(await eventNames(store, authorization.id), ['authorization.deactivated'])
      }
      const failed = async (placed: typeof ready) =>
        (await store.orders.get(placed.order.id))?.order.failedAt !== undefined
      assert.deepEqual(await Promise.all([waiting, ready, claimed, bystander].map(failed)), [true, true, false, false])
    }))

  test('an expired or invalid authorization is final: deactivating it changes nothing', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const expired = await pending(store, account, now)
      const failed = await pending(store, account, now)
      await respond(store, failed, now)
      const why = {
        owner: 'runner 1',
        now,
        error: problem('no'),
        orderError: problem('no'),
        audit: auditEvent(now, 'x'),
      }
      await store.validationJobs.fail(firstChallengeId(failed), why)
      assert.equal((await deactivate(store, expired, expired.expiresAt))?.deactivatedAt, undefined)
      assert.equal((await deactivate(store, failed, now))?.deactivatedAt, undefined)
    }))

  test('deactivating an authorization ends its job, and a result that comes later is discarded', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const authorization = await pending(store, account, now)
      await respond(store, authorization, now)
      const ended = await deactivate(store, authorization, now)
      assert.equal(await store.validationJobs.count(), 0)
      const options = { owner: 'runner 1', now, expiresAt: later(now, hours(1)), audit: auditEvent(now, 'x') }
      assert.equal(await store.validationJobs.succeed(firstChallengeId(authorization), options), 'discarded')
      assert.deepEqual(await store.authorizations.find(account.directory, account.id, authorization.id), ended)
    }))
}

async function pending(
  store: Store,
  account: AccountRecord,
  now: Date,
  fields: Parameters<typeof authorizationRecord>[3] = {},
  name = 'a.test',
): Promise<AuthorizationRecord> {
  const authorization = authorizationRecord(account, dnsName(name), now, fields)
  await store.authorizations.create(authorization, auditEvent(now, 'authorization.created'))
  return authorization
}

function deactivate(store: Store, { directory, accountId, id }: AuthorizationRecord, now: Date) {
  const audit = auditEvent(now, 'authorization.deactivated', { requestId: id })
  return store.authorizations.deactivate(directory, accountId, id, { now, error: problem('deactivated'), audit })
}

function reuseKey({ directory, accountId, identifier, wildcard }: AuthorizationRecord): ReuseKey {
  return { directory, accountId, identifier, wildcard, profile: PROFILE.name }
}
