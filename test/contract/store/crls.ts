import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anyHex, certificateRecord, hours, ISSUER_ID, later } from '../../support/records.ts'
import {
  anyDer,
  begin,
  buildCrl,
  complete,
  copyRevoked,
  eventNames,
  issueCertificate,
  publish,
  revoke,
  tally,
  times,
  type WithStore,
} from './harness.ts'

const OTHER_ISSUER = 'b2'.repeat(20)

export function crlsContract(withStore: WithStore): void {
  test('KF-D03 a CRL lists every revoked certificate in the order of serials: 0, 1, 2, 999, 1000, 1001, 2000 and 2001', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      const revoked: string[] = []
      for (const count of [0, 1, 2, 999, 1000, 1001, 2000, 2001]) {
        if (count > 0) {
          const certificate = await issueCertificate(store, now)
          await revoke(store, certificate, now)
          const copies = times(count - revoked.length - 1, () => certificateRecord(now).serial)
          await copyRevoked({ execute }, certificate, copies)
          revoked.push(certificate.serial, ...copies)
        }
        const { entries } = await store.crls.revokedEntries(ISSUER_ID, now)
        assert.deepEqual(
          entries.map(({ serial }) => serial),
          revoked.toSorted(),
        )
      }
    }))

  test('an entry carries date and reason, and good or reserved certificates are not listed', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      await issueCertificate(store, now)
      await begin(store, certificateRecord(now), now)
      const certificate = await issueCertificate(store, now, { serial: `7f${'ff'.repeat(19)}` })
      await revoke(store, certificate, later(now, 1000), 5)
      const { entries } = await store.crls.revokedEntries(ISSUER_ID, now)
      assert.deepEqual(entries, [{ serial: certificate.serial, revokedAt: later(now, 1000), reason: 5 }])
    }))

  test('KF-D08 each issuer lists its own', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const one = await issueCertificate(store, now)
      const two = await issueCertificate(store, now, { serial: one.serial, issuerId: OTHER_ISSUER })
      await revoke(store, two, now)
      assert.deepEqual((await store.crls.revokedEntries(ISSUER_ID, now)).entries, [])
      assert.equal((await store.crls.revokedEntries(OTHER_ISSUER, now)).entries.length, 1)
      assert.equal(await store.crls.pendingSince(ISSUER_ID), undefined)
      assert.deepEqual(await store.crls.pendingSince(OTHER_ISSUER), now)
    }))

  test('KF-E09 a list made while the clock was far ahead takes nobody off the lists that follow it', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const certificate = await issueCertificate(store, now)
      await revoke(store, certificate, now)
      await buildCrl(store, ISSUER_ID, 1n, later(now, hours(24 * 400)))
      const { entries } = await store.crls.revokedEntries(ISSUER_ID, later(now, 60))
      assert.deepEqual(
        entries.map(({ serial }) => serial),
        [certificate.serial],
      )
    }))

  test('a published CRL is the latest, byte for byte, with any number of 159 bits', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      assert.equal(await store.crls.latest(ISSUER_ID), undefined)
      for (const number of [0n, 1n, 9n, 10n, 2n ** 53n + 1n, 2n ** 64n, 2n ** 159n - 1n]) {
        const crl = {
          issuerId: ISSUER_ID,
          number,
          thisUpdate: now,
          nextUpdate: later(now, hours(24)),
          crlDer: anyDer(),
        }
        const audit = { at: now, event: 'crl.published', requestId: `crl ${number}`, data: { number: String(number) } }
        assert.equal(await store.crls.publish(crl, 0, audit), 'published')
        assert.deepEqual(await store.crls.latest(ISSUER_ID), crl)
        assert.deepEqual(await eventNames(store, `crl ${number}`), ['crl.published'])
      }
      assert.equal(await store.crls.latest(OTHER_ISSUER), undefined)
      await assert.rejects(publish(store, ISSUER_ID, 2n ** 159n, 0, now), { code: 'failed' })
    }))

  test('KF-D05 numbers only rise, per issuer, also under 20 parallel builders', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const results = await Promise.all(times(20, () => publish(store, ISSUER_ID, 100n, 0, now)))
      assert.deepEqual(tally(results), { published: 1, superseded: 19 })
      for (const number of [99n, 100n]) assert.equal(await publish(store, ISSUER_ID, number, 0, now), 'superseded')
      assert.equal(await publish(store, OTHER_ISSUER, 1n, 0, now), 'published')
      assert.equal(await publish(store, ISSUER_ID, 101n, 0, now), 'published')
      assert.equal((await store.crls.latest(ISSUER_ID))?.number, 101n)
      const counts = await store.retention.counts()
      assert.equal(counts['crls'], 3)
      assert.equal(counts['audit_events'], 3)
    }))

  test('KF-D05 a slow builder cannot replace a CRL that lists more, even with a higher number', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const stale = await store.crls.revokedEntries(ISSUER_ID, now)
      await revoke(store, await issueCertificate(store, now), now)
      await buildCrl(store, ISSUER_ID, 1n, now)
      assert.equal(await publish(store, ISSUER_ID, 2n, stale.upTo, now), 'superseded')
      assert.equal(await publish(store, ISSUER_ID, 2n, 1000, now), 'superseded', 'nor claim what does not exist yet')
    }))

  test('pendingSince tells since when a revocation waits for a CRL', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const at = (seconds: number) => later(now, seconds * 1000)
      assert.equal(await store.crls.pendingSince(ISSUER_ID), undefined)
      const [one, two, three] = await Promise.all(times(3, () => issueCertificate(store, now)))
      assert.ok(one && two && three)
      await revoke(store, one, at(1))
      await revoke(store, two, at(2))
      assert.deepEqual(await store.crls.pendingSince(ISSUER_ID), at(1))
      const { upTo } = await store.crls.revokedEntries(ISSUER_ID, now)
      await revoke(store, three, at(3))
      assert.equal(await publish(store, ISSUER_ID, 1n, upTo, at(4)), 'published')
      assert.deepEqual(await store.crls.pendingSince(ISSUER_ID), at(3), 'what came after the mark is not covered')
      await buildCrl(store, ISSUER_ID, 2n, at(5))
      assert.equal(await store.crls.pendingSince(ISSUER_ID), undefined)
      await revoke(store, one, at(6), 1, true)
      assert.deepEqual(await store.crls.pendingSince(ISSUER_ID), at(6), 'a raised reason must be shown too (KF-D06)')
    }))

  test('KF-D02 an entry stays until it was on one CRL issued after the end of the certificate', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const end = later(now, hours(24))
      const certificate = await issueCertificate(store, now, { notAfter: end })
      await revoke(store, certificate, now)
      let number = 0n
      const listed = async (at: Date) => (await buildCrl(store, ISSUER_ID, ++number, at)).length
      assert.equal(await listed(now), 1)
      assert.equal(await listed(end), 1, 'the certificate is valid through its notAfter')
      assert.equal(await listed(later(end, 1000)), 1, 'the first CRL after the end')
      assert.equal(await listed(later(end, 2000)), 0)
      const late = await revoke(store, certificate, later(end, 3000), 1, true)
      assert.equal(late.outcome, 'raised')
      assert.equal(await listed(later(end, 4000)), 1, 'a raised reason is shown once more')
      assert.equal(await listed(later(end, 5000)), 0)
    }))

  test('KF-D02 a certificate revoked after its end is listed once', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const certificate = await issueCertificate(store, now, { notAfter: later(now, 1000) })
      const after = later(now, hours(1))
      assert.deepEqual(await buildCrl(store, ISSUER_ID, 1n, after), [])
      await revoke(store, certificate, after)
      assert.deepEqual(await buildCrl(store, ISSUER_ID, 2n, later(after, 1000)), [certificate.serial])
      assert.deepEqual(await buildCrl(store, ISSUER_ID, 3n, later(after, 2000)), [])
    }))

  test('KF-D05 one builder at a time holds the lease, and may renew it', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const lease = (owner: string, at: Date, issuerId = ISSUER_ID) =>
        store.crls.lease(issuerId, { owner, now: at, leaseUntil: later(at, 10_000) })
      const results = await Promise.all(times(10, (i) => lease(`builder ${i}`, now)))
      assert.equal(results.filter((taken) => taken).length, 1)
      const owner = `builder ${results.indexOf(true)}`
      assert.equal(await lease(owner, later(now, 5000)), true)
      assert.equal(await lease('another', later(now, 14_999)), false)
      assert.equal(await lease('another', later(now, 15_000)), true)
      assert.equal(await lease(owner, later(now, 16_000)), false)
      assert.equal(await lease(owner, now, OTHER_ISSUER), true)
    }))

  test('KF-D05 publishing ends the lease, so that a restarted process need not wait for it', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const lease = (owner: string) => store.crls.lease(ISSUER_ID, { owner, now, leaseUntil: later(now, 10_000) })
      assert.equal(await lease('before the restart'), true)
      assert.equal(await lease('after it'), false)
      assert.deepEqual(await buildCrl(store, ISSUER_ID, 1n, now), [])
      assert.equal(await lease('after it'), true)
    }))

  test('revocations that come while the pages are read are on the next CRL, and none is lost', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      const anySerial = (): string => `4${anyHex(16).slice(1)}`
      const certificates = await Promise.all(times(150, () => issueCertificate(store, now, { serial: anySerial() })))
      const [raised, late] = [certificates.slice(0, 50), certificates.slice(50)]
      await Promise.all(raised.map((certificate) => revoke(store, certificate, now)))
      const [one] = raised
      assert.ok(one)
      const copies = times(1050, anySerial)
      await copyRevoked({ execute }, one, copies)
      const [{ entries, upTo }] = await Promise.all([
        store.crls.revokedEntries(ISSUER_ID, now),
        ...late.map((certificate) => revoke(store, certificate, now)),
        ...raised.map((certificate) => revoke(store, certificate, now, 1, true)),
      ])
      const listed = new Set(entries.map(({ serial }) => serial))
      assert.equal(listed.size, entries.length)
      for (const serial of [...raised.map((certificate) => certificate.serial), ...copies])
        assert.ok(listed.has(serial))
      assert.equal(await publish(store, ISSUER_ID, 1n, upTo, now), 'published')
      assert.deepEqual(await store.crls.pendingSince(ISSUER_ID), now)
      const next = await store.crls.revokedEntries(ISSUER_ID, now)
      assert.equal(next.entries.length, 1200)
      assert.equal(next.entries.filter(({ reason }) => reason === 1).length, 50)
    }))

  test('a CRL is complete whatever else is written at the same time', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const certificate = certificateRecord(now)
      await begin(store, certificate, now)
      const results = await Promise.all([
        complete(store, certificate, now),
        revoke(store, certificate, now),
        store.crls.pendingSince(ISSUER_ID),
      ])
      assert.equal(results[0], 'completed')
      const { entries } = await store.crls.revokedEntries(ISSUER_ID, now)
      assert.equal(entries.length, results[1].outcome === 'revoked' ? 1 : 0)
    }))
}
