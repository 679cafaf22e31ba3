import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  anyHex,
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
  anyDer,
  begin,
  complete,
  createAccount,
  eventNames,
  firstChallengeId,
  issueCertificate,
  placeOrder,
  prove,
  readyOrder,
  respond,
  revoke,
  tally,
  times,
  type WithStore,
} from './harness.ts'

export function certificatesContract(withStore: WithStore, { forgets }: { forgets: boolean }): void {
  test('KF-E04 of 50 parallel finalizes of one order one begins', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const placed = await readyOrder(
        store,
        await createAccount(store, now),
        [dnsName('a.test'), dnsName('b.test')],
        now,
      )
      const results = await Promise.all(times(50, () => begin(store, certificateRecord(now, placed), now)))
      assert.deepEqual(tally(results), { begun: 1, 'not-ready': 49 })
      assert.equal((await store.retention.counts())['certificates'], 1)
      const found = await store.orders.get(placed.order.id)
      assert.deepEqual(found?.order.processingAt, now)
      assert.equal(found?.order.csrSha256, 'c5'.repeat(32))
      assert.equal(found?.order.certificateSerial, undefined)
    }))

  test('KF-B24 a certificate begins only for a ready order of a valid account, decided at that instant', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const names = [dnsName('a.test'), dnsName('b.test')]
      const ending = { now, error: problem('gone'), audit: auditEvent(now, 'x') }
      const ready = () => readyOrder(store, account, names, now)

      const unproven = await placeOrder(store, account, names, now)
      const half = await placeOrder(store, account, names, now)
      if (half.authorizations[0]) await prove(store, half.authorizations[0], now)
      const proofEnded = await ready()
      const orderEnded = await readyOrder(store, account, names, now, { expiresAt: later(now, 1000) })
      const failed = await ready()
      await store.orders.fail(failed.order.id, ending)
      const withdrawn = await ready()
      const [proof] = withdrawn.authorizations
      assert.ok(proof)
      await store.authorizations.deactivate(account.directory, account.id, proof.id, ending)
      const refuted = await placeOrder(store, account, names, now)
      for (const authorization of refuted.authorizations) {
        await respond(store, authorization, now)
        const why = {
          owner: 'runner 1',
          now,
          error: problem('no'),
          orderError: problem('no'),
          audit: auditEvent(now, 'x'),
        }
        await store.validationJobs.fail(firstChallengeId(authorization), why)
      }
      const gone = await createAccount(store, now)
      const orphan = await readyOrder(store, gone, names, now)
      await store.accounts.deactivate(gone.directory, gone.id, ending)
      const claimed = await ready()
      assert.equal(await begin(store, certificateRecord(now, claimed), now), 'begun')
      const issued = await ready()
      const certificate = certificateRecord(now, issued)
      await begin(store, certificate, now)
      await complete(store, certificate, now)

      const provenAhead = await ready()

      const before = await store.retention.counts()
      for (const [why, placed, at] of [
        ['unproven', unproven, now],
        ['half proven', half, now],
        ['a proof ended', proofEnded, later(now, hours(8))],
        ['the order expired', orderEnded, later(now, 1000)],
        ['failed', failed, now],
        ['a proof was withdrawn', withdrawn, now],
        ['a challenge failed', refuted, now],
        ['the account is gone', orphan, now],
        ['claimed before', claimed, now],
        ['issued before', issued, now],
        ['KF-E09 proven while the clock was ahead', provenAhead, later(now, -hours(1))],
      ] as const) {
        const attempt = certificateRecord(at, placed)
        assert.equal(await begin(store, attempt, at), 'not-ready', why)
        assert.deepEqual(await eventNames(store, attempt.serial), [], why)
      }
      assert.deepEqual(await store.retention.counts(), before)
      assert.equal(await begin(store, certificateRecord(now, orderEnded), later(now, 999)), 'begun', 'one tick earlier')
    }))

  test('KF-B24 an order that was placed while its account was deactivated is never claimed', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const names = [dnsName('a.test')]
      const { authorizations } = await readyOrder(store, account, names, now)
      const ending = { now, error: problem('gone'), audit: auditEvent(now, 'x') }
      await store.accounts.deactivate(account.directory, account.id, ending)
      const order = orderRecord(account, names, now)
      const links = { authorizationIds: authorizations.map(({ id }) => id), newAuthorizations: [] }
      await store.orders.create(order, { ...links, now, audit: auditEvent(now, 'x') })
      assert.equal(await begin(store, certificateRecord(now, { order }), now), 'not-ready')
    }))

  test('KF-B09 an order is not claimed for another account or directory', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const stranger = await createAccount(store, now)
      const placed = await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
      const record = certificateRecord(now, placed)
      assert.equal(await begin(store, { ...record, accountId: stranger.id }, now), 'not-ready')
      assert.equal(await begin(store, { ...record, directory: 'other' }, now), 'not-ready')
      const { accountId: _, ...nobody } = record
      assert.equal(await begin(store, nobody, now), 'not-ready')
    }))

  test('KF-C02 a serial is taken once per issuer, whatever became of it, and its loser may try another', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const abandoned = certificateRecord(now)
      await begin(store, abandoned, now)
      await store.certificates.abandon(abandoned, { now, error: problem('no'), audit: auditEvent(now, 'x') })
      const revoked = await issueCertificate(store, now)
      await revoke(store, revoked, now)
      const open = certificateRecord(now)
      await begin(store, open, now)
      for (const { serial } of [abandoned, revoked, open]) {
        const placed = await readyOrder(store, account, [dnsName('a.test')], now)
        const attempt = certificateRecord(now, { ...placed, serial })
        const events = await eventNames(store, serial)
        assert.equal(await begin(store, attempt, now), 'serial-taken')
        assert.deepEqual(await eventNames(store, serial), events)
        assert.equal((await store.orders.get(placed.order.id))?.order.processingAt, undefined)
        assert.equal(await begin(store, certificateRecord(now, placed), now), 'begun')
      }
      assert.equal(
        await begin(store, certificateRecord(now, { serial: open.serial, issuerId: 'b2'.repeat(20) }), now),
        'begun',
      )
    }))

  test('KF-C02 20 certificates with one serial at the same time: one begins', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const { serial } = certificateRecord(now)
      const results = await Promise.all(times(20, () => begin(store, certificateRecord(now, { serial }), now)))
      assert.deepEqual(tally(results), { begun: 1, 'serial-taken': 19 })
    }))

  test('a certificate comes back as given, reserved, issued and revoked; KF-C23 whatever its serial', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      for (const serial of [
        '01',
        '0080',
        '20000000000001',
        '7fffffffffffffff',
        `7f${'ff'.repeat(19)}`,
        '009007199254740993',
      ]) {
        const placed = await readyOrder(store, account, [dnsName('a.test'), { type: 'ip', value: '10.0.0.1' }], now)
        const reserved = certificateRecord(now, { ...placed, serial })
        assert.equal(await begin(store, reserved, now), 'begun')
        assert.deepEqual(await store.certificates.find(reserved.issuerId, serial), reserved)
        assert.deepEqual(await store.certificates.findBySerial(serial), [], 'reserved is not issued')
        assert.equal(await store.certificates.findForAccount(account.directory, account.id, serial), undefined)

        const certificateDer = anyDer()
        const issuedAt = later(now, 5)
        assert.equal(await complete(store, reserved, issuedAt, certificateDer), 'completed')
        const issued = { ...reserved, certificateDer, issuedAt }
        assert.deepEqual(await store.certificates.find(reserved.issuerId, serial), issued)
        assert.deepEqual(await store.certificates.findBySerial(serial), [issued])
        assert.deepEqual(await store.certificates.findForAccount(account.directory, account.id, serial), issued)
        assert.equal((await store.orders.get(placed.order.id))?.order.certificateSerial, serial)
        assert.deepEqual(await eventNames(store, serial), ['certificate.reserved', 'certificate.issued'])

        const revoked = { ...issued, revokedAt: now, revocationReason: 4 }
        assert.deepEqual(await revoke(store, issued, now, 4), { outcome: 'revoked', certificate: revoked })
        assert.deepEqual(await store.certificates.find(reserved.issuerId, serial), revoked)
      }
    }))

  test('KF-D08 the same serial under two issuers is two certificates', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const one = await issueCertificate(store, now)
      const two = await issueCertificate(store, now, { serial: one.serial, issuerId: 'b2'.repeat(20) })
      assert.equal((await store.certificates.findBySerial(one.serial)).length, 2)
      await revoke(store, two, now)
      assert.equal((await store.certificates.find(one.issuerId, one.serial))?.revokedAt, undefined)
      assert.deepEqual((await store.certificates.find(two.issuerId, two.serial))?.revokedAt, now)
      assert.equal(await store.certificates.find('c3'.repeat(20), one.serial), undefined)
    }))

  test('KF-B09 a certificate of another account or directory, or of none, is absent for an account', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const stranger = await createAccount(store, now)
      const placed = await readyOrder(store, account, [dnsName('a.test')], now)
      const certificate = await issueCertificate(store, now, placed)
      const own = await issueCertificate(store, now)
      assert.equal(
        await store.certificates.findForAccount(account.directory, stranger.id, certificate.serial),
        undefined,
      )
      assert.equal(await store.certificates.findForAccount('other', account.id, certificate.serial), undefined)
      assert.equal(await store.certificates.findForAccount(account.directory, account.id, own.serial), undefined)
    }))

  test('a reservation is completed or abandoned, once', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const placed = await readyOrder(store, account, [dnsName('a.test')], now)
      const certificate = certificateRecord(now, placed)
      const abandon = () => {
        const audit = auditEvent(now, 'certificate.abandoned', { serial: certificate.serial })
        return store.certificates.abandon(certificate, { now, error: problem('signer down'), audit })
      }
      assert.equal(await complete(store, certificate, now), 'unknown')
      await begin(store, certificate, now)
      await Promise.all(times(3, abandon))
      assert.equal(await complete(store, certificate, now), 'unknown')
      const abandoned = await store.certificates.find(certificate.issuerId, certificate.serial)
      assert.deepEqual(abandoned, { ...certificate, abandonedAt: now })
      const { order } = (await store.orders.get(placed.order.id)) ?? {}
      assert.deepEqual(order?.failedAt, now)
      assert.deepEqual(order?.error, problem('signer down'))
      assert.deepEqual(await eventNames(store, certificate.serial), ['certificate.reserved', 'certificate.abandoned'])

      const issued = await issueCertificate(store, now)
      await store.certificates.abandon(issued, { now, error: problem('late'), audit: auditEvent(now, 'x') })
      assert.equal((await store.certificates.find(issued.issuerId, issued.serial))?.abandonedAt, undefined)
      assert.equal(await complete(store, issued, now), 'unknown')
    }))

  test('KF-E01 a certificate of an order that failed while it was signed is on record, and the order stays failed', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const placed = await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
      const certificate = certificateRecord(now, placed)
      await begin(store, certificate, now)
      await store.orders.fail(placed.order.id, { now, error: problem('no'), audit: auditEvent(now, 'x') })
      assert.equal(await complete(store, certificate, now), 'order-ended')
      const { order } = (await store.orders.get(placed.order.id)) ?? {}
      assert.deepEqual(order?.failedAt, now)
      assert.equal(order?.certificateSerial, undefined)
      assert.equal((await store.certificates.findBySerial(certificate.serial)).length, 1)
    }))

  test('KF-D11 the issuers of certificates that are still good are known, each once', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const end = later(now, hours(1))
      assert.deepEqual(await store.certificates.listIssuers(now), [])
      for (const [issuerId, notAfter] of [
        ['bb', end],
        ['aa', end],
        ['bb', end],
        ['dd', now],
      ] as const) {
        const issued = await issueCertificate(store, now, { issuerId, notAfter })
        await store.crls.lease(issued.issuerId, { owner: 'builder', now, leaseUntil: now })
      }
      await begin(store, certificateRecord(now, { issuerId: 'cc', notAfter: end }), now)
      await store.crls.lease('cc', { owner: 'builder', now, leaseUntil: now })
      assert.deepEqual(await store.certificates.listIssuers(now), ['aa', 'bb'])
      assert.deepEqual(await store.certificates.listIssuers(end), [])
    }))

  test('KF-E01 unfinished reservations are listed oldest first: 0, 1, 2, one more than the limit', () =>
    withStore(async ({ store, clock }) => {
      const start = clock.now()
      const listed = async (before: Date, limit: number) =>
        (await store.certificates.listUnfinished(before, limit)).map(({ serial }) => serial)
      const end = later(start, hours(1))
      assert.deepEqual(await listed(end, 3), [])
      await issueCertificate(store, start)
      const abandoned = certificateRecord(start)
      await begin(store, abandoned, start)
      await store.certificates.abandon(abandoned, { now: start, error: problem('no'), audit: auditEvent(start, 'x') })
      const made: string[] = []
      for (let i = 0; i < 4; i++) {
        const certificate = certificateRecord(later(start, i))
        await begin(store, certificate, start)
        made.push(certificate.serial)
        assert.deepEqual(await listed(end, 3), made.slice(0, 3))
      }
      assert.deepEqual(await listed(later(start, 2), 10), made.slice(0, 2), 'before, not at, the instant')
    }))

  // An engine that forgets at its end has no restart to survive.
  if (!forgets)
    test('KF-E01 KF-E13 a reservation and its order are found after a restart, and can be finished', () =>
      withStore(async ({ store, clock, reopen }) => {
        assert.ok(reopen)
        const now = clock.now()
        const placed = await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
        const certificate = certificateRecord(now, placed)
        await begin(store, certificate, now)
        const restarted = await reopen()
        assert.deepEqual(await restarted.certificates.listUnfinished(later(now, 1), 10), [certificate])
        assert.equal(await complete(restarted, certificate, now), 'completed')
        assert.equal((await restarted.orders.get(placed.order.id))?.order.certificateSerial, certificate.serial)
      }))

  test('KF-D06 a revocation keeps its date; its reason is raised to keyCompromise by proof of the key only', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const certificate = await issueCertificate(store, now)
      const at = (seconds: number) => later(now, seconds * 1000)
      assert.equal((await revoke(store, certificate, at(1), 4)).outcome, 'revoked')
      for (const [reason, proved] of [
        [4, true],
        [5, true],
        [1, false],
      ] as const) {
        const result = await revoke(store, certificate, at(2), reason, proved)
        assert.equal(result.outcome, 'already')
        assert.ok('certificate' in result)
        assert.equal(result.certificate.revocationReason, 4)
      }
      assert.equal(await store.blockedKeys.isBlocked(certificate.spkiSha256), false)
      const raised = await revoke(store, certificate, at(3), 1, true)
      assert.ok(raised.outcome === 'raised')
      assert.equal(raised.certificate.revocationReason, 1)
      assert.deepEqual(raised.certificate.revokedAt, at(1))
      assert.equal(await store.blockedKeys.isBlocked(certificate.spkiSha256), true)
      assert.equal((await revoke(store, certificate, at(4), 1, true)).outcome, 'already')
      assert.deepEqual((await eventNames(store, certificate.serial)).slice(2), [
        'certificate.revoked',
        'certificate.revoked',
      ])
    }))

  test('KF-C13 nothing is begun for a key that is blocked, and the order stays ready', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const placed = await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
      const certificate = certificateRecord(now, placed)
      await store.blockedKeys.block(certificate.spkiSha256, { now, reason: 'test', audit: auditEvent(now, 'x') })
      assert.equal(await begin(store, certificate, now), 'key-blocked')
      assert.equal(await store.certificates.find(certificate.issuerId, certificate.serial), undefined)
      assert.equal((await store.orders.get(placed.order.id))?.order.processingAt, undefined)
      assert.equal(await begin(store, { ...certificate, spkiSha256: anyHex(32) }, now), 'begun')
    }))

  test('KF-C13 revocation for keyCompromise blocks the public key, for other reasons not', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      for (const reason of [0, 1, 3, 4, 5, 9] as const) {
        const certificate = await issueCertificate(store, now)
        assert.equal((await revoke(store, certificate, now, reason)).outcome, 'revoked')
        assert.equal(await store.blockedKeys.isBlocked(certificate.spkiSha256), reason === 1, `reason ${reason}`)
      }
    }))

  test('20 parallel revocations: one revokes, and all see the same date', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const certificate = await issueCertificate(store, now)
      const results = await Promise.all(times(20, (i) => revoke(store, certificate, later(now, i))))
      assert.deepEqual(tally(results.map(({ outcome }) => outcome)), { revoked: 1, already: 19 })
      const dates = results.map((result) =>
        'certificate' in result ? result.certificate.revokedAt?.getTime() : undefined,
      )
      assert.equal(new Set(dates).size, 1)
    }))

  test('what was never issued cannot be revoked', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const reserved = certificateRecord(now)
      await begin(store, reserved, now)
      assert.deepEqual(await revoke(store, reserved, now, 1), { outcome: 'unknown' })
      assert.deepEqual(await revoke(store, certificateRecord(now), now, 1), { outcome: 'unknown' })
      assert.equal(await store.blockedKeys.isBlocked(reserved.spkiSha256), false)
      assert.deepEqual((await store.crls.revokedEntries(ISSUER_ID, now)).entries, [])
    }))
}
