import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeLineage, expiring, revoking, rotating, updating } from '../../../src/external-accounts/lineage.ts'
import type { AccountRecord, EabKeyRecord } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import {
  accountRecord,
  auditEvent,
  authorizationRecord,
  certificateRecord,
  dnsName,
  eabKeyRecord,
  hours,
  later,
  orderRecord,
  revokeEabKey,
} from '../../support/records.ts'
import { begin, eventNames, readyOrder, tally, times, type WithStore } from './harness.ts'

const FACTS = {
  owner: 'Ann',
  attributes: { host: 'db1', 'cost-centre': '4711, "north"', name: '*.æ?/%' },
  groups: ['databases', 'eu/west'],
  scope: ['databases'],
} satisfies Partial<EabKeyRecord>

/** What accounts have from their external account keys, whenever they are read. */
export function externalKeysContract(withStore: WithStore): void {
  test('everything that is noted of an external account key comes back as given', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const keys: EabKeyRecord[] = [
        eabKeyRecord(now, { ...FACTS, directories: ['default', 'edge'], maxUses: 'unlimited' }),
        eabKeyRecord(now, { maxUses: 20, accountsEndAt: later(now, hours(1)), scope: [] }),
      ]
      for (const key of keys) {
        await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
        assert.deepEqual(await store.eabKeys.find(key.id), key)
      }
      assert.deepEqual(await store.eabKeys.list('edge'), keys.slice(0, 1))
    }))

  test('many keys are stored together, or none of them when one is there already', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const keys = times(130, () => eabKeyRecord(now))
      const events = (list: readonly EabKeyRecord[]) => list.map(({ id }) => auditEvent(now, 'made', { requestId: id }))
      assert.deepEqual(await store.eabKeys.createAll(keys, events(keys)), { taken: [] })
      assert.equal((await store.eabKeys.list()).length, 130)
      const [known, fresh] = [keys[77] as EabKeyRecord, eabKeyRecord(now)]
      assert.deepEqual(await store.eabKeys.createAll([fresh, known], events([fresh, known])), { taken: [known.id] })
      assert.equal(await store.eabKeys.find(fresh.id), undefined)
      assert.deepEqual(await eventNames(store, fresh.id), [])
    }))

  test('KF-B14 of 20 parallel accounts a key for five makes exactly five, and one without a limit all', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      for (const [maxUses, made] of [
        [5, 5],
        ['unlimited', 20],
      ] as const) {
        const key = eabKeyRecord(now, { maxUses })
        await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
        const results = await Promise.all(times(20, () => register(store, key, now)))
        const outcomes = tally(results.map(({ outcome }) => outcome))
        assert.deepEqual(outcomes, made === 20 ? { created: 20 } : { created: made, 'eab-unusable': 20 - made })
        assert.equal((await store.eabKeys.find(key.id))?.uses, made)
        const { count, accounts } = await store.eabKeys.accountsOf(key.id, 3)
        assert.deepEqual([count, accounts.length], [made, 3])
      }
    }))

  test('a key opens accounts in each of its directories, and in no other', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const key = eabKeyRecord(now, { directories: ['default', 'edge'], maxUses: 'unlimited' })
      await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
      for (const directory of ['default', 'edge', 'foreign']) {
        const { outcome } = await register(store, key, now, { directory })
        assert.equal(outcome, directory === 'foreign' ? 'eab-unusable' : 'created', directory)
      }
    }))

  test('an account is read with what its key says now, by id and by its own key', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const key = eabKeyRecord(now, FACTS)
      await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
      const account = await registered(store, key, now)
      const { attributes, groups, scope } = FACTS
      assert.deepEqual(account.externalKey, { lineage: key.id, attributes, groups, scope })
      const found = await store.accounts.findByThumbprint(account.directory, account.thumbprint)
      assert.deepEqual(found?.externalKey, account.externalKey)

      const update = { setAttributes: { host: 'db2' }, removeAttributes: ['name'], removeGroups: ['databases'] }
      await changeLineage(store.eabKeys, key.id, updating({ id: key.id, now }, { ...update, scope: 'any' }))
      assert.deepEqual((await store.accounts.find(account.directory, account.id))?.externalKey, {
        lineage: key.id,
        attributes: { host: 'db2', 'cost-centre': '4711, "north"' },
        groups: ['eu/west'],
      })
    }))

  test('the end of a key stops its accounts, unless they are kept; an end that is put off lets them go on', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const make = async (): Promise<{ key: EabKeyRecord; account: AccountRecord }> => {
        const key = eabKeyRecord(now)
        await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
        return { key, account: await registered(store, key, now) }
      }
      const endOf = async ({ account }: { account: AccountRecord }) =>
        (await store.accounts.find(account.directory, account.id))?.externalKey?.accountsEndAt
      const [revoked, kept, expired] = [await make(), await make(), await make()]
      assert.equal(await revokeEabKey(store, revoked.key.id, now), 1)
      assert.equal(await revokeEabKey(store, kept.key.id, now, { keepAccounts: true }), 1)
      const soon = later(now, hours(1))
      await changeLineage(store.eabKeys, expired.key.id, expiring({ id: expired.key.id, now, at: soon }))
      assert.deepEqual([await endOf(revoked), await endOf(kept), await endOf(expired)], [now, undefined, soon])

      const day = later(now, hours(24))
      await changeLineage(store.eabKeys, expired.key.id, updating({ id: expired.key.id, now }, { expiresAt: day }))
      assert.deepEqual(await endOf(expired), day)
      const refused = await changeLineage(
        store.eabKeys,
        revoked.key.id,
        updating({ id: revoked.key.id, now }, { expiresAt: day }),
      )
      assert.ok('refusal' in refused && /cannot be taken back/.test(refused.refusal))
      assert.equal(await revokeEabKey(store, kept.key.id, now), 1, 'what was kept can be stopped later')
      assert.equal(await revokeEabKey(store, kept.key.id, now), 0, 'once')
      assert.deepEqual(await endOf(kept), now)
    }))

  test('KF-B24 a stopped account places no order, gets no authorization and claims no order, whatever the request found', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const key = eabKeyRecord(now)
      await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
      const account = await registered(store, key, now)
      const ready = await readyOrder(store, account, [dnsName('a.test')], now)
      await changeLineage(store.eabKeys, key.id, expiring({ id: key.id, now, at: later(now, 1000) }))
      const place = (at: Date) => {
        const authorization = authorizationRecord(account, dnsName('b.test'), at)
        return store.orders.create(orderRecord(account, [dnsName('b.test')], at), {
          authorizationIds: [authorization.id],
          newAuthorizations: [authorization],
          now: at,
          audit: auditEvent(at, 'order.created'),
        })
      }
      const authorize = (at: Date) => {
        const authorization = authorizationRecord(account, dnsName('c.test'), at)
        return store.authorizations.create(authorization, auditEvent(at, 'authorization.created'))
      }
      const claim = (at: Date) => {
        const of = { orderId: ready.order.id, accountId: account.id, directory: account.directory }
        return begin(store, certificateRecord(at, of), at)
      }
      const end = later(now, 1000)
      assert.deepEqual(
        [await place(end), await authorize(end), await claim(end)],
        ['account-ended', 'account-ended', 'not-ready'],
      )
      const before = later(now, 999)
      assert.deepEqual(
        [await place(before), await authorize(before), await claim(before)],
        ['created', 'created', 'begun'],
      )
    }))

  test('a successor has what the key had; both make accounts until the overlap ends, and the accounts go on', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const old = eabKeyRecord(now, { ...FACTS, maxUses: 'unlimited', expiresAt: later(now, hours(100)) })
      await store.eabKeys.create(old, auditEvent(now, 'eab-key.created'))
      const account = await registered(store, old, now)
      const next = await rotate(store, old, now)
      for (const key of [old, next])
        assert.equal((await register(store, key, later(now, hours(1) - 1))).outcome, 'created')
      assert.equal((await register(store, old, later(now, hours(1)))).outcome, 'eab-unusable')
      const young = await registered(store, next, later(now, hours(1)))
      for (const { directory, id } of [account, young]) {
        const { externalKey } = (await store.accounts.find(directory, id)) ?? {}
        const { attributes, groups, scope } = FACTS
        assert.deepEqual(externalKey, { lineage: old.id, attributes, groups, scope })
      }
      const again = await changeLineage(store.eabKeys, old.id, rotating({ id: old.id, now }, fresh(now)))
      assert.ok('refusal' in again && again.refusal.includes(next.id))

      // What is noted is noted of all; the end of the newest is the end of all, that of an older one of it alone.
      const latest = await rotate(store, next, now)
      await changeLineage(store.eabKeys, old.id, updating({ id: old.id, now }, { owner: 'Bob' }))
      assert.equal((await store.eabKeys.find(latest.id))?.owner, 'Bob')
      const stopped = async () =>
        (await Promise.all([account, young].map(({ directory, id }) => store.accounts.find(directory, id)))).map(
          (found) => found?.externalKey?.accountsEndAt !== undefined,
        )
      assert.equal(await revokeEabKey(store, old.id, now), 1)
      assert.deepEqual(await stopped(), [true, false])
      assert.equal(await revokeEabKey(store, latest.id, now), 2)
      assert.deepEqual(await stopped(), [true, true])
    }))

  test('of two rotations at the same time one makes the successor', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const key = eabKeyRecord(now)
      await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
      const both = await Promise.all(
        times(2, () => changeLineage(store.eabKeys, key.id, rotating({ id: key.id, now }, fresh(now)))),
      )
      assert.equal(both.filter((outcome) => 'refusal' in outcome).length, 1)
      assert.equal((await store.eabKeys.list()).length, 2)
    }))

  test('a key that is not there cannot be changed, and says so', () =>
    withStore(async ({ store, clock }) => {
      const { id } = eabKeyRecord(clock.now())
      const outcome = await changeLineage(store.eabKeys, id, revoking({ id, now: clock.now() }))
      assert.ok('refusal' in outcome && outcome.refusal.includes(id))
    }))
}

function fresh(now: Date) {
  const { id, wrappedMacKey } = eabKeyRecord(now)
  return {
    id,
    wrappedMacKey,
    expiresAt: later(now, hours(200)),
    overlapUntil: later(now, hours(1)),
    accountsEndAt: 'as before',
  } as const
}

async function rotate(store: Store, key: EabKeyRecord, now: Date): Promise<EabKeyRecord> {
  const made = fresh(now)
  const stored = await changeLineage(store.eabKeys, key.id, rotating({ id: key.id, now }, made))
  assert.ok(!('refusal' in stored))
  const next = await store.eabKeys.find(made.id)
  assert.ok(next)
  return next
}

function register(store: Store, key: EabKeyRecord, now: Date, fields: Partial<AccountRecord> = {}) {
  const account = accountRecord(now, { eabKeyId: key.id, ...fields })
  return store.accounts.create(account, { now, eab: key.id, audit: auditEvent(now, 'account.created') })
}

async function registered(store: Store, key: EabKeyRecord, now: Date): Promise<AccountRecord> {
  const made = await register(store, key, now)
  assert.ok(made.outcome === 'created')
  return made.account
}
