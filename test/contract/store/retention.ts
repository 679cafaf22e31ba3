import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RetentionPolicy, Store } from '../../../src/store/store.ts'
import {
  accountRecord,
  auditEvent,
  authorizationRecord,
  certificateRecord,
  dnsName,
  eabKeyRecord,
  hours,
  ISSUER_ID,
  later,
  problem,
  revokeEabKey,
} from '../../support/records.ts'
import {
  begin,
  buildCrl,
  complete,
  createAccount,
  issueCertificate,
  placeOrder,
  prove,
  publish,
  readyOrder,
  respond,
  revoke,
  times,
  type WithStore,
} from './harness.ts'

const DAY = 86_400
const POLICY: RetentionPolicy = {
  finalOrdersSeconds: 7 * DAY,
  expiredCertificatesSeconds: 30 * DAY,
  unusedAccountsSeconds: 90 * DAY,
  spentEabKeysSeconds: 10 * DAY,
  auditSeconds: 60 * DAY,
  decisionsSeconds: 60 * DAY,
}

function days(count: number): number {
  return hours(24 * count)
}

/** Sweeps until nothing is left to do; no sweep may take more than its batch. */
async function sweepAll(store: Store, now: Date, batch = 50): Promise<number> {
  let total = 0
  for (;;) {
    const removed = await store.retention.sweep(POLICY, { now, batch })
    assert.ok(removed <= batch)
    if (removed === 0) return total
    total += removed
  }
}

export function retentionContract(withStore: WithStore): void {
  test('an empty store has nothing to sweep, and counts every table', () =>
    withStore(async ({ store, clock }) => {
      assert.equal(await sweepAll(store, clock.now()), 0)
      const counts = await store.retention.counts()
      assert.ok(Object.keys(counts).length >= 14)
      assert.deepEqual(new Set(Object.values(counts)), new Set([0]))
    }))

  test('whether tables hold anything is answered without counting them; a table that is not there is a mistake', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      assert.equal(await store.retention.holdsAny(['certificates', 'orders']), false)
      await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
      assert.equal(await store.retention.holdsAny(['certificates', 'orders']), true)
      assert.equal(await store.retention.holdsAny(['certificates']), false)
      await assert.rejects(store.retention.holdsAny(['certificates; --']), /there is no table/)
    }))

  test('CQ-O14 an order goes with its authorizations when its time after its end is over, and not a moment before', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const expired = await placeOrder(store, account, [dnsName('a.test'), dnsName('b.test')], now)
      const failed = await readyOrder(store, account, [dnsName('c.test')], now)
      await store.orders.fail(failed.order.id, { now, error: problem('no'), audit: auditEvent(now, 'x') })
      const issued = await readyOrder(store, account, [dnsName('d.test')], now)
      const certificate = certificateRecord(now, issued)
      await begin(store, certificate, now)
      await complete(store, certificate, later(now, hours(1)))
      const claimed = await readyOrder(store, account, [dnsName('e.test')], now)
      await begin(store, certificateRecord(now, claimed), now)

      for (const [placed, end] of [
        [failed, now],
        [issued, later(now, hours(1))],
        [expired, expired.order.expiresAt],
      ] as const) {
        const due = later(end, days(7))
        await sweepAll(store, later(due, -1))
        assert.equal((await store.orders.get(placed.order.id))?.authorizations.length, placed.authorizations.length)
        await sweepAll(store, due)
        assert.equal(await store.orders.get(placed.order.id), undefined)
      }
      await sweepAll(store, later(now, days(1000)))
      assert.ok(await store.orders.get(claimed.order.id), 'an order in processing is never swept')
      assert.equal((await store.retention.counts())['certificates'], 1, 'nor its open reservation')
      assert.equal((await store.retention.counts())['authorizations'], 1)
      assert.ok(await store.accounts.find(account.directory, account.id), 'an account that ordered stays')
    }))

  test('an authorization stays while an order holds it, and while it is good for another', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const single = authorizationRecord(account, dnsName('single.test'), now)
      await store.authorizations.create(single, auditEvent(now, 'x'))
      await prove(store, single, now, days(30))
      const { authorizations } = await placeOrder(store, account, [dnsName('a.test')], now, {
        expiresAt: later(now, days(60)),
      })
      const [held] = authorizations
      assert.ok(held)
      const find = (id: typeof held.id) => store.authorizations.find(account.directory, account.id, id)
      await sweepAll(store, later(now, days(36)))
      assert.ok(await find(single.id))
      assert.ok(await find(held.id), 'expired long ago, but its order is not')
      await sweepAll(store, later(now, days(37)))
      assert.equal(await find(single.id), undefined)
      await sweepAll(store, later(now, days(67)))
      assert.equal(await find(held.id), undefined)
      assert.equal((await store.retention.counts())['challenges'], 0)
    }))

  test('KF-D01 a revoked certificate stays until it was on a CRL after its end, however late that comes', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const end = later(now, days(1))
      const good = await issueCertificate(store, now, { notAfter: end })
      const revoked = await issueCertificate(store, now, { notAfter: end })
      await revoke(store, revoked, now)
      await buildCrl(store, ISSUER_ID, 1n, now)
      const late = later(now, days(1000))
      await sweepAll(store, late)
      assert.equal(await store.certificates.find(good.issuerId, good.serial), undefined)
      assert.ok(await store.certificates.find(revoked.issuerId, revoked.serial), 'no CRL since its end')
      assert.deepEqual(await buildCrl(store, ISSUER_ID, 2n, late), [revoked.serial])
      await sweepAll(store, late)
      assert.equal(await store.certificates.find(revoked.issuerId, revoked.serial), undefined)
    }))

  test('KF-D01 a revocation that no CRL covers yet keeps its certificate, though a CRL was issued after its end', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const certificate = await issueCertificate(store, now, { notAfter: later(now, days(1)) })
      const late = later(now, days(100))
      const { upTo } = await store.crls.revokedEntries(ISSUER_ID, late)
      await revoke(store, certificate, late)
      assert.equal(await publish(store, ISSUER_ID, 1n, upTo, late), 'published')
      await sweepAll(store, late)
      assert.ok(await store.certificates.find(certificate.issuerId, certificate.serial))
    }))

  test('certificates stay for their time after the end; abandoned serials as long', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const end = later(now, days(1))
      await issueCertificate(store, now, { notAfter: end })
      const abandoned = certificateRecord(now, { notAfter: end })
      await begin(store, abandoned, now)
      await store.certificates.abandon(abandoned, { now, error: problem('no'), audit: auditEvent(now, 'x') })
      await sweepAll(store, later(end, days(30) - 1))
      assert.equal((await store.retention.counts())['certificates'], 2)
      await sweepAll(store, later(end, days(30)))
      assert.equal((await store.retention.counts())['certificates'], 0)
    }))

  test('superseded CRLs go, the newest of each issuer stays', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const other = 'b2'.repeat(20)
      for (const number of [1n, 2n, 9n, 10n]) await publish(store, ISSUER_ID, number, 0, now)
      await publish(store, other, 1n, 0, now)
      assert.equal(await sweepAll(store, now), 3)
      assert.equal((await store.crls.latest(ISSUER_ID))?.number, 10n)
      assert.equal((await store.crls.latest(other))?.number, 1n)
      assert.equal(await publish(store, ISSUER_ID, 10n, 0, now), 'superseded', 'and the number is not forgotten')
    }))

  test('external account keys go after their end: revoked, expired, or used by an account that is gone', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const fields = { expiresAt: later(now, days(5)) }
      const [used, revoked, expired] = [eabKeyRecord(now, fields), eabKeyRecord(now, fields), eabKeyRecord(now, fields)]
      for (const key of [used, revoked, expired]) await store.eabKeys.create(key, auditEvent(now, 'x'))
      const account = accountRecord(now, { eabKeyId: used.id })
      await store.accounts.create(account, { now, eab: used.id, audit: auditEvent(now, 'x') })
      await revokeEabKey(store, revoked.id, later(now, days(1)))
      const left = async (at: Date) => {
        await sweepAll(store, at)
        return new Set((await store.eabKeys.list()).map(({ id }) => id))
      }
      assert.deepEqual(await left(later(now, days(10) - 1)), new Set([used.id, revoked.id, expired.id]))
      assert.deepEqual(await left(later(now, days(11))), new Set([used.id, expired.id]))
      assert.deepEqual(await left(later(now, days(15))), new Set([used.id]))
      assert.deepEqual(await left(later(now, days(90) - 1)), new Set([used.id]))
      assert.deepEqual(await left(later(now, days(90))), new Set())
    }))

  test('an account goes only if it never had an order, an authorization or a certificate', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const unused = await createAccount(store, now)
      const ordered = await createAccount(store, now)
      await placeOrder(store, ordered, [dnsName('a.test')], now)
      const authorized = await createAccount(store, now)
      const authorization = authorizationRecord(authorized, dnsName('a.test'), now, {
        expiresAt: later(now, days(200)),
      })
      await store.authorizations.create(authorization, auditEvent(now, 'x'))
      const exists = async () =>
        Promise.all(
          [unused, ordered, authorized].map(
            async ({ directory, id }) => (await store.accounts.find(directory, id)) !== undefined,
          ),
        )
      await sweepAll(store, later(now, days(90) - 1))
      assert.deepEqual(await exists(), [true, true, true])
      await sweepAll(store, later(now, days(90)))
      assert.deepEqual(await exists(), [false, true, true])
      await sweepAll(store, later(now, days(1000)))
      assert.deepEqual(await exists(), [false, true, false])
      assert.equal((await store.retention.counts())['orders'], 0)
    }))

  test('audit events go after their time, oldest first', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const events = times(5, (i) => auditEvent(later(now, days(i)), `event ${i}`, { requestId: 'r' }))
      await store.audit.append(events)
      await sweepAll(store, later(now, days(62)))
      assert.deepEqual(await store.audit.findByReference('r', 10), events.slice(3))
    }))

  test('rows are counted right, however many steps that takes', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      await placeOrder(
        store,
        account,
        times(3, (i) => dnsName(`${i}.test`)),
        now,
      )
      await store.audit.append(times(10_100, (i) => auditEvent(now, `event ${i}`)))
      const { accounts, orders, order_authorizations, challenges, audit_events } = await store.retention.counts()
      assert.deepEqual([accounts, orders, order_authorizations, challenges], [1, 1, 3, 6])
      assert.equal(audit_events, 10_102)
    }))

  test('KF-E11 a sweep takes no more than its batch, and small batches get to the end', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      await readyOrder(
        store,
        account,
        times(9, (i) => dnsName(`${i}.test`)),
        now,
      )
      for (let i = 0; i < 6; i++) await placeOrder(store, account, [dnsName('a.test')], now)
      await Promise.all(times(25, (i) => store.nonces.spend(`n${i}`, now)))
      const late = later(now, days(40))
      for (const batch of [30, 10]) assert.ok((await store.retention.sweep(POLICY, { now: late, batch })) <= batch)
      // An order with ten rows is more than three, and goes all the same.
      let guard = 0
      while ((await store.retention.sweep(POLICY, { now: late, batch: 3 })) > 0) assert.ok(guard++ < 100)
      const { accounts, audit_events, ...rest } = await store.retention.counts()
      assert.equal(accounts, 1)
      assert.ok(audit_events)
      assert.deepEqual(new Set(Object.values(rest)), new Set([0]))
    }))

  test('KF-E10 KF-D01 over a long life every remaining row is explained, and no live revocation is lost', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      const revoked: { serial: string; notAfter: Date }[] = []
      let number = 0n
      const sizes: number[] = []
      for (let day = 0; day < 120; day++) {
        const now = clock.now()
        const issued = await readyOrder(store, account, [dnsName(`${day % 7}.test`)], now)
        const certificate = certificateRecord(now, { ...issued, notAfter: later(now, days(1 + (day % 20))) })
        await begin(store, certificate, now)
        await complete(store, certificate, now)
        await placeOrder(store, account, [dnsName('abandoned.test')], now)
        const refused = await placeOrder(store, account, [dnsName('refused.test')], now)
        if (refused.authorizations[0]) await respond(store, refused.authorizations[0], now)
        await Promise.all(times(5, (i) => store.nonces.spend(`${day}-${i}`, later(now, hours(1)))))
        if (day % 3 === 0) {
          await revoke(store, certificate, now)
          revoked.push(certificate)
        }
        if (day % 2 === 0) await buildCrl(store, ISSUER_ID, ++number, now)
        for (const job of await store.validationJobs.lease({
          now: later(now, days(1)),
          owner: 'r',
          leaseUntil: now,
          limit: 100,
        })) {
          const audit = auditEvent(now, 'x')
          const why = { owner: 'r', now, error: problem('no'), orderError: problem('no'), audit }
          await store.validationJobs.fail(job.challenge.id, why)
        }
        await sweepAll(store, now)
        for (const { serial, notAfter } of revoked) {
          if (notAfter >= now) assert.ok((await store.certificates.find(ISSUER_ID, serial))?.revokedAt)
        }
        sizes.push(Object.values(await store.retention.counts()).reduce((sum, count) => sum + count, 0))
        await clock.advance(days(1))
      }
      const late = clock.now()
      const { entries } = await store.crls.revokedEntries(ISSUER_ID, late)
      const listed = new Set(entries.map(({ serial }) => serial))
      for (const { serial, notAfter } of revoked) if (notAfter >= late) assert.ok(listed.has(serial))

      const counts = await store.retention.counts()
      const perDay = { orders: 3, authorizations: 3, challenges: 6 }
      for (const [table, rows] of Object.entries(perDay)) {
        assert.ok((counts[table] ?? 0) <= rows * 9, `${table}: ${counts[table]} rows for a week and a day`)
      }
      assert.ok((counts['nonces'] ?? 0) <= 5)
      assert.ok((counts['crls'] ?? 0) <= 1)
      assert.ok((counts['certificates'] ?? 0) <= 52, 'thirty days after an end of at most twenty')
      assert.equal(counts['validation_jobs'], 0)
      const [early, end] = [sizes[75] ?? 0, sizes.at(-1) ?? 0]
      assert.ok(end <= early * 1.1, `the store still grows: ${early} rows at day 75, ${end} at the end`)

      await buildCrl(store, ISSUER_ID, ++number, later(late, days(400)))
      await sweepAll(store, later(late, days(400)))
      const { accounts, crls, crl_state, audit_events, ...rest } = await store.retention.counts()
      assert.deepEqual(
        { accounts, crls, crl_state, audit_events },
        { accounts: 1, crls: 1, crl_state: 1, audit_events: 1 },
      )
      assert.deepEqual(new Set(Object.values(rest)), new Set([0]))
    }))
}
