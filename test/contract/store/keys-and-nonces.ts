import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { AccountRecord } from '../../../src/store/records.ts'
import {
  accountRecord,
  anyHex,
  auditEvent,
  eabKeyRecord,
  hours,
  later,
  repeatableRandom,
} from '../../support/records.ts'
import { eventNames, nonceId, times, type WithStore } from './harness.ts'

const POLICY = {
  finalOrdersSeconds: 3600,
  expiredCertificatesSeconds: 3600,
  unusedAccountsSeconds: 3600,
  spentEabKeysSeconds: 3600,
  auditSeconds: 3600,
  decisionsSeconds: 3600,
}

/**
 * @param options.forgets for an engine that lives in memory only
 * @param options.keepsNonceRows false for an engine that has no row for a spent nonce
 * @param options.nonceMarginMs how much longer than it is good a spent nonce is remembered
 */
export function keysAndNoncesContract(
  withStore: WithStore,
  {
    forgets,
    keepsNonceRows,
    nonceMarginMs,
  }: { readonly forgets: boolean; readonly keepsNonceRows: boolean; readonly nonceMarginMs: number },
): void {
  test('KF-B06 a nonce is good once, also when 50 present it at the same time', () =>
    withStore(async ({ store, clock }) => {
      const expiresAt = later(clock.now(), hours(1))
      const [id, another] = [nonceId(store, expiresAt), nonceId(store, expiresAt)]
      const results = await Promise.all(times(50, () => store.nonces.spend(id, expiresAt)))
      assert.equal(results.filter((good) => good).length, 1)
      assert.equal(await store.nonces.spend(id, expiresAt), false)
      assert.equal(await store.nonces.spend(id, later(expiresAt, 1)), false, 'whatever its expiry')
      assert.equal(await store.nonces.spend(another, expiresAt), true)
    }))

  test('KF-B06 of many nonces at once each is good once, in any order', () =>
    withStore(async ({ store, clock }) => {
      const expiresAt = later(clock.now(), hours(1))
      const ids = times(300, () => nonceId(store, expiresAt))
      assert.equal(new Set(ids).size, 300)
      const shuffled = ids.toSorted((a, b) => (anyOrder(a) < anyOrder(b) ? -1 : 1))
      const spendAll = (list: string[]) => Promise.all(list.map((id) => store.nonces.spend(id, expiresAt)))
      assert.deepEqual(new Set(await spendAll(shuffled)), new Set([true]))
      assert.deepEqual(new Set(await spendAll(ids)), new Set([false]))
    }))

  if (keepsNonceRows) nonceRowsContract(withStore, nonceMarginMs)

  // An engine that forgets at its end has no restart to survive.
  if (!forgets)
    test('KF-B06 spent nonces are remembered across a restart', () =>
      withStore(async ({ store, clock, reopen }) => {
        assert.ok(reopen)
        const expiresAt = later(clock.now(), hours(1))
        const [spent, kept] = [nonceId(store, expiresAt), nonceId(store, expiresAt)]
        assert.equal(await store.nonces.spend(spent, expiresAt), true)
        const again = await reopen()
        assert.equal(await again.nonces.spend(spent, expiresAt), false)
        assert.equal(await again.nonces.spend(kept, expiresAt), true, 'and what was not spent is good (CQ-N02)')
        assert.equal(await again.nonces.spend(nonceId(again, expiresAt), expiresAt), true)
      }))

  test('external account keys come back as given: none, one, several, of all or one directory', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      assert.deepEqual(await store.eabKeys.list(), [])
      assert.equal(await store.eabKeys.find(eabKeyRecord(now).id), undefined)
      const keys = times(5, (i) =>
        eabKeyRecord(later(now, i), { directory: i === 4 ? 'other' : 'default', label: `key ${i}` }),
      )
      for (const [i, key] of keys.entries()) {
        await store.eabKeys.create(key, auditEvent(now, 'eab.created', { requestId: key.id }))
        assert.deepEqual(await store.eabKeys.list(), keys.slice(0, i + 1))
        assert.deepEqual(await eventNames(store, key.id), ['eab.created'])
      }
      assert.deepEqual(await store.eabKeys.list('default'), keys.slice(0, 4))
      assert.deepEqual(await store.eabKeys.list('other'), keys.slice(4))
      assert.deepEqual(await store.eabKeys.find(keys[2]?.id ?? eabKeyRecord(now).id), keys[2])
    }))

  test('a blocked key stays blocked, with the first event only', () =>
    withStore(async ({ store, clock }) => {
      const key = anyHex(32)
      const options = {
        now: clock.now(),
        reason: 'leaked',
        audit: auditEvent(clock.now(), 'key.blocked', { requestId: 'r' }),
      }
      assert.equal(await store.blockedKeys.isBlocked(key), false)
      await Promise.all(times(5, () => store.blockedKeys.block(key, options)))
      assert.equal(await store.blockedKeys.isBlocked(key), true)
      assert.equal(await store.blockedKeys.isBlocked(anyHex(32)), false)
      assert.deepEqual(await eventNames(store, 'r'), ['key.blocked'])
    }))

  test('a secret is made once, whoever asks at the same time', () =>
    withStore(async ({ store }) => {
      const values = await Promise.all(
        times(20, () => store.secrets.getOrCreate('nonce-key', () => repeatableRandom.bytes(32))),
      )
      assert.equal(new Set(values.map((value) => value.toString('hex'))).size, 1)
      const again = await store.secrets.getOrCreate('nonce-key', () => assert.fail('it exists'))
      assert.deepEqual(again, values[0])
      assert.notDeepEqual(await store.secrets.getOrCreate('other', () => repeatableRandom.bytes(32)), again)
    }))

  test('what the store gives out is not shared with it', () =>
    withStore(async ({ store, clock }) => {
      const key = eabKeyRecord(clock.now())
      const given = { ...key, wrappedMacKey: Buffer.from(key.wrappedMacKey) }
      await store.eabKeys.create(given, auditEvent(clock.now(), 'eab.created'))
      given.wrappedMacKey.fill(0)
      const first = await store.eabKeys.find(key.id)
      first?.wrappedMacKey.fill(1)
      first?.createdAt.setTime(0)
      assert.deepEqual(await store.eabKeys.find(key.id), key)
    }))

  test('whoever changes a record that the store gave out changes nothing for others', () =>
    withStore(async ({ store, clock }) => {
      const account = accountRecord(clock.now())
      await store.accounts.create(account, { now: clock.now(), audit: auditEvent(clock.now(), 'account.created') })
      const find = () => store.accounts.find(account.directory, account.id)
      const changes: ((found: AccountRecord) => unknown)[] = [
        (found) => (found.contact as string[]).push('mailto:mallory@b.test'),
        (found) => Object.assign(found.jwk, { x: 'another' }),
        (found) => Object.assign(found, { deactivatedAt: clock.now() }),
      ]
      for (const change of changes) {
        const found = await find()
        assert.ok(found)
        try {
          change(found)
        } catch (error) {
          assert.ok(error instanceof TypeError, 'it is frozen')
        }
        assert.deepEqual(await find(), account)
      }
    }))
}

function nonceRowsContract(withStore: WithStore, marginMs: number): void {
  test('KF-B06 spent nonces leave the table once they are expired', () =>
    withStore(async ({ store, clock }) => {
      const perHour = 2500
      const counts: number[] = []
      for (let hour = 0; hour < 4; hour++) {
        const now = clock.now()
        await Promise.all(times(perHour, (i) => store.nonces.spend(`${hour}-${i}`, later(now, hours(1)))))
        while ((await store.retention.sweep(POLICY, { now: later(now, marginMs), batch: 1000 })) > 0);
        counts.push((await store.retention.counts())['nonces'] ?? -1)
        await clock.advance(hours(1))
      }
      assert.deepEqual(
        counts,
        times(4, () => perHour),
      )
      const end = later(clock.now(), marginMs)
      while ((await store.retention.sweep(POLICY, { now: end, batch: 1000 })) > 0);
      assert.equal((await store.retention.counts())['nonces'], 0)
    }))

  test('a nonce is kept until the instant of its expiry', () =>
    withStore(async ({ store, clock }) => {
      const expiresAt = later(clock.now(), hours(1))
      await store.nonces.spend('kept', expiresAt)
      await store.retention.sweep(POLICY, { now: later(expiresAt, -1), batch: 10 })
      assert.equal(await store.nonces.spend('kept', expiresAt), false)
      const forgotten = later(expiresAt, marginMs)
      assert.equal(await store.retention.sweep(POLICY, { now: later(forgotten, -1), batch: 10 }), 0)
      assert.equal(await store.nonces.spend('kept', expiresAt), false)
      assert.equal(await store.retention.sweep(POLICY, { now: forgotten, batch: 10 }), 1)
    }))
}

function anyOrder(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
