import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  auditEvent,
  certificateRecord,
  dnsName,
  hours,
  ISSUER_ID,
  later,
  orderRecord,
  problem,
} from '../../support/records.ts'
import {
  begin,
  buildCrl,
  createAccount,
  firstChallengeId,
  issueCertificate,
  nonceId,
  placeOrder,
  readyOrder,
  respond,
  revoke,
  times,
  type WithStore,
} from './harness.ts'

/** What happens to one broken row or one failing statement must not happen to anything else. */
export function damageContract(withStore: WithStore): void {
  test('CQ-O15 an unreadable stored order is said by name, and stops no other work of its account', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const broken = await placeOrder(store, account, [dnsName('a.test')], now)
      await execute(`UPDATE orders SET identifiers = '[{"type":"dn' WHERE id = ?`, broken.order.id)
      const expected = { code: 'failed', message: new RegExp(`orders\\.identifiers of ${broken.order.id}`) }
      await assert.rejects(store.orders.find(account.directory, account.id, broken.order.id), expected)
      const next = await readyOrder(store, account, [dnsName('a.test')], now)
      assert.equal(await begin(store, certificateRecord(now, next), now), 'begun')
      assert.equal((await store.orders.listIds(account.directory, account.id, { now, limit: 10 })).orderIds.length, 2)
    }))

  test('every JSON column that cannot be read is a StoreError naming table, column and row', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const { order, authorizations } = await placeOrder(store, account, [dnsName('a.test')], now)
      const certificate = await issueCertificate(store, now)
      const [authorization] = authorizations
      assert.ok(authorization)
      const find = {
        accounts: () => store.accounts.find(account.directory, account.id),
        orders: () => store.orders.get(order.id),
        challenges: () => store.authorizations.find(account.directory, account.id, authorization.id),
        certificates: () => store.certificates.find(certificate.issuerId, certificate.serial),
      }
      const challengeId = firstChallengeId(authorization)
      for (const [table, key, id, column, text] of [
        ['orders', 'id', order.id, 'profile', ''],
        ['orders', 'id', order.id, 'identifiers', '{}'],
        ['accounts', 'id', account.id, 'contact', '7'],
        ['accounts', 'id', account.id, 'jwk', '{]'],
        ['certificates', 'serial', certificate.serial, 'profile', 'undefined'],
        ['certificates', 'serial', certificate.serial, 'identifiers', '[,]'],
        ['challenges', 'id', challengeId, 'error', '{"'],
      ] as const) {
        await execute(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`, text, id)
        await assert.rejects(find[table](), { code: 'failed', message: new RegExp(`${table}\\.${column} of ${id}`) })
      }
    }))

  test('CQ-O15 an unreadable authorization is not reused, and stops no new order', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const names = [dnsName('a.test'), dnsName('b.test')]
      const { authorizations } = await readyOrder(store, account, names, now)
      const [broken, good] = authorizations
      assert.ok(broken && good)
      await execute('UPDATE challenges SET error = ? WHERE authorization_id = ?', '{', broken.id)
      const keys = [broken, good].map(({ identifier, wildcard, profile }) => ({
        directory: account.directory,
        accountId: account.id,
        identifier,
        wildcard,
        profile,
      }))
      const found = await store.authorizations.findReusable(keys, { now, pendingSince: now })
      assert.deepEqual(
        found.map((hit) => hit?.id),
        [undefined, good.id],
      )
    }))

  test('one unreadable job holds up no other', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const { authorizations } = await placeOrder(
        store,
        account,
        times(3, (i) => dnsName(`${i}.test`)),
        now,
      )
      for (const authorization of authorizations) await respond(store, authorization, now)
      const [first, second, third] = authorizations
      assert.ok(first && second && third)
      await execute('UPDATE challenges SET error = ? WHERE id = ?', '{', firstChallengeId(second))
      const after = later(now, 60_000)
      const jobs = await store.validationJobs.lease({
        now: after,
        owner: 'other',
        leaseUntil: later(after, 1000),
        limit: 10,
      })
      // All are due at the same instant, and so may come in any order.
      assert.deepEqual(
        jobs.map(({ challenge }) => challenge.id).toSorted(),
        [first, third].map(firstChallengeId).toSorted(),
      )
    }))

  test('KF-E12 a certificate or CRL whose bytes changed in the store is not given out', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const placed = await readyOrder(store, account, [dnsName('a.test')], now)
      const certificate = await issueCertificate(store, now, placed)
      await buildCrl(store, ISSUER_ID, 1n, now)
      const stored = await store.certificates.find(certificate.issuerId, certificate.serial)
      const flipped = Buffer.from(stored?.certificateDer ?? [])
      flipped.writeUInt8(flipped.readUInt8(200) ^ 1, 200)
      await execute('UPDATE certificates SET certificate_der = ? WHERE serial = ?', flipped, certificate.serial)
      const expected = {
        code: 'failed',
        message: new RegExp(`certificates\\.certificate_der of ${certificate.serial} was changed`),
      }
      await assert.rejects(store.certificates.find(certificate.issuerId, certificate.serial), expected)
      await assert.rejects(store.certificates.findBySerial(certificate.serial), expected)
      await assert.rejects(
        store.certificates.findForAccount(account.directory, account.id, certificate.serial),
        expected,
      )
      await execute('UPDATE crls SET crl_der = ?', flipped)
      await assert.rejects(store.crls.latest(ISSUER_ID), {
        code: 'failed',
        message: /crls\.crl_der of \S+ 1 was changed/,
      })
    }))

  test('KF-E12 a reservation whose bytes changed is never handed out to be signed, and holds up no other', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      const certificates = times(3, (i) => certificateRecord(later(now, i)))
      for (const certificate of certificates) await begin(store, certificate, now)
      await execute(
        'UPDATE certificates SET tbs_der = ? WHERE serial = ?',
        Buffer.from('evil'),
        certificates[1]?.serial ?? '',
      )
      const listed = await store.certificates.listUnfinished(later(now, 1000), 10)
      assert.deepEqual(listed, [certificates[0], certificates[2]])
    }))

  test('KF-E12 KF-E13 a reservation that cannot be read is named, and can be given up with its order', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      const placed = await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
      const [good, bad] = [certificateRecord(now), certificateRecord(now, placed)]
      for (const certificate of [good, bad]) await begin(store, certificate, now)
      await execute("UPDATE certificates SET identifiers = '[' WHERE serial = ?", bad.serial)
      const named = () => store.certificates.listDamaged(later(now, 1), 10)
      const [found, ...others] = await named()
      assert.deepEqual(others, [])
      assert.deepEqual([found?.issuerId, found?.serial, found?.orderId], [bad.issuerId, bad.serial, placed.order.id])
      assert.match(found?.reason ?? '', /certificates\.identifiers/)
      assert.deepEqual(await store.certificates.listDamaged(now, 10), [], 'before, not at, the instant')
      const audit = auditEvent(now, 'certificate.abandoned', { serial: bad.serial })
      await store.certificates.abandon(bad, { now, error: problem('damaged'), audit })
      assert.deepEqual((await store.orders.get(placed.order.id))?.order.failedAt, now)
      assert.deepEqual(await named(), [])
    }))

  test('KF-D10 if the audit event of a thing cannot be written, the thing does not happen', () =>
    withStore(async ({ store, clock, refuse }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const placed = await readyOrder(store, account, [dnsName('a.test')], now)
      const issued = await issueCertificate(store, now)
      const reserved = certificateRecord(now)
      await begin(store, reserved, now)
      const order = orderRecord(account, [dnsName('a.test')], now)
      const before = await store.retention.counts()
      const heal = await refuse('insert', 'audit_events')

      const refused = { code: 'failed', message: /injected/ }
      const audit = auditEvent(now, 'x')
      const certificate = certificateRecord(now, placed)
      await assert.rejects(begin(store, certificate, now), refused)
      await assert.rejects(
        store.certificates.complete(reserved, { certificateDer: Buffer.from('der'), now, audit }),
        refused,
      )
      await assert.rejects(revoke(store, issued, now, 1), refused)
      await assert.rejects(createAccount(store, now), refused)
      const links = { authorizationIds: placed.authorizations.map(({ id }) => id), newAuthorizations: [] }
      await assert.rejects(store.orders.create(order, { ...links, now, audit }), refused)

      assert.deepEqual(await store.retention.counts(), before)
      assert.equal((await store.orders.get(placed.order.id))?.order.processingAt, undefined)
      assert.equal((await store.certificates.find(reserved.issuerId, reserved.serial))?.issuedAt, undefined)
      assert.equal((await store.certificates.find(issued.issuerId, issued.serial))?.revokedAt, undefined)
      assert.equal(await store.blockedKeys.isBlocked(issued.spkiSha256), false)
      assert.equal(await store.crls.pendingSince(ISSUER_ID), undefined)
      await heal()
      assert.equal(await begin(store, certificate, now), 'begun', 'and it can be tried again')
    }))

  test('KF-D10 certificate and order state are stored together or not at all', () =>
    withStore(async ({ store, clock, refuse }) => {
      const now = clock.now()
      const placed = await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
      const certificate = certificateRecord(now, placed)
      await begin(store, certificate, now)
      const healOrders = await refuse('update', 'orders')
      const options = { certificateDer: Buffer.from('der'), now, audit: auditEvent(now, 'x') }
      await assert.rejects(store.certificates.complete(certificate, options), { code: 'failed' })
      assert.equal((await store.certificates.find(certificate.issuerId, certificate.serial))?.certificateDer, undefined)
      await healOrders()
      const healCertificates = await refuse('update', 'certificates')
      await assert.rejects(store.certificates.complete(certificate, options), { code: 'failed' })
      assert.equal((await store.orders.get(placed.order.id))?.order.certificateSerial, undefined)
      await healCertificates()
      assert.equal(await store.certificates.complete(certificate, options), 'completed')
    }))

  test('a write that fails fails no other that was made at the same time', () =>
    withStore(async ({ store, clock, refuse }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      await refuse('insert', 'audit_events', { column: 'event', value: 'poison' })
      const results = await Promise.allSettled(
        times(60, (i) => {
          const audit = auditEvent(now, i % 3 === 0 ? 'poison' : 'fine')
          return store.accounts.updateContact(account.directory, account.id, [`mailto:${i}@example.test`], audit)
        }),
      )
      assert.deepEqual(
        results.map(({ status }) => status),
        times(60, (i) => (i % 3 === 0 ? 'rejected' : 'fulfilled')),
      )
      const [contact = ''] = (await store.accounts.find(account.directory, account.id))?.contact ?? []
      const winner = /^mailto:(\d+)@example\.test$/.exec(contact)?.[1]
      assert.ok(winner !== undefined && Number(winner) % 3 !== 0, `${contact} is of a write that succeeded`)
      assert.equal(await store.nonces.spend(nonceId(store, later(now, hours(1))), later(now, hours(1))), true)
    }))
}
