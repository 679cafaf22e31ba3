import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Change } from '../../../src/store/history.ts'
import type { IssuedCertificate } from '../../../src/store/recovery.ts'
import type { Store } from '../../../src/store/store.ts'
import {
  accountRecord,
  anyHex,
  auditEvent,
  certificateRecord,
  dnsName,
  eabKeyRecord,
  hours,
  ISSUER_ID,
  later,
  nameGrantRecord,
  problem,
} from '../../support/records.ts'
import {
  anyDer,
  begin,
  buildCrl,
  complete,
  createAccount,
  issueCertificate,
  placeOrder,
  publish,
  readyOrder,
  respond,
  revoke,
  type WithStore,
} from './harness.ts'

function finish(store: Store, now: Date, options: Partial<Parameters<Store['recovery']['finish']>[0]> = {}) {
  return store.recovery.finish({
    now,
    error: problem('restored', 'serverInternal'),
    voidSecrets: ['nonce-key'],
    voidEabKeys: true,
    crlNumbers: new Map(),
    audit: () => auditEvent(now, 'store.restored'),
    ...options,
  })
}

/** A certificate as the log of issued ones remembers it. */
function remembered(now: Date, fields: Parameters<typeof certificateRecord>[1] = {}): IssuedCertificate {
  return { ...certificateRecord(now, fields), certificateDer: anyDer(), issuedAt: now }
}

async function allChanges(store: Store): Promise<readonly Change[]> {
  return (await store.history.changes({ after: 0, limit: 1000 })).changes
}

export function recoveryContract(withStore: WithStore): void {
  describe('history', () => {
    test('KF-E08 a life of the data has one name, whoever begins it first', () =>
      withStore(async ({ store, clock }) => {
        assert.deepEqual(await store.history.lineages(), [])
        await Promise.all(['a', 'b', 'c'].map((name) => store.history.beginFirst(name, clock.now())))
        const [first, ...more] = await store.history.lineages()
        assert.deepEqual(more, [])
        assert.ok(first && 'abc'.includes(first.lineage))
        assert.deepEqual([first.epoch, first.branchedAfter, first.finishedAt], [0, 0, clock.now()])
      }))

    test('KF-E08 an event is known by its id and by what it says', () =>
      withStore(async ({ store, clock }) => {
        assert.equal(await store.history.newest(), undefined)
        assert.equal(await store.history.oldestId(), undefined)
        const now = clock.now()
        await store.audit.append([auditEvent(now, 'one'), auditEvent(now, 'two')])
        const newest = await store.history.newest()
        assert.ok(newest)
        assert.deepEqual(newest.at, now)
        assert.deepEqual(await store.history.find(newest.id), newest)
        const oldest = await store.history.find((await store.history.oldestId()) ?? 0)
        assert.ok(oldest && oldest.id < newest.id)
        assert.notEqual(oldest.fingerprint, newest.fingerprint)
        assert.equal(await store.history.find(newest.id + 1), undefined)
      }))

    test('KF-E08 what was issued, and what ended, is told in order with all that a restore needs', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const key = eabKeyRecord(now)
        await store.eabKeys.create(key, auditEvent(now, 'eab-key.created', { data: { keyId: key.id } }))
        const account = accountRecord(now, { eabKeyId: key.id })
        const of = { directory: account.directory, accountId: account.id }
        await store.accounts.create(account, { now, eab: key.id, audit: auditEvent(now, 'account.created', of) })
        const placed = await readyOrder(store, account, [dnsName('a.test')], now)
        const certificate = certificateRecord(now, placed)
        const data = { issuerId: ISSUER_ID }
        assert.equal(await begin(store, certificate, now), 'begun')
        const audit = auditEvent(now, 'certificate.issued', { serial: certificate.serial, data })
        await store.certificates.complete(certificate, { certificateDer: anyDer(), now, audit })
        await store.certificates.revoke(certificate, {
          now,
          reason: 1,
          raiseToKeyCompromise: false,
          audit: auditEvent(now, 'certificate.revoked', { serial: certificate.serial, data }),
        })
        await store.accounts.deactivate(account.directory, account.id, {
          now,
          error: problem('closed'),
          audit: auditEvent(now, 'account.deactivated', of),
        })
        const changes = await allChanges(store)
        assert.deepEqual(
          changes.map(({ kind }) => kind),
          ['eab-key', 'account', 'eab-key', 'certificate', 'revocation', 'account'],
        )
        const ids = changes.map(({ id }) => id)
        assert.deepEqual(
          ids,
          ids.toSorted((a, b) => a - b),
        )
        const [, , use, issued, revocation, ended] = changes
        assert.ok(use?.kind === 'eab-key' && use.key.usedBy === account.id && !('wrappedMacKey' in use.key))
        assert.ok(issued?.kind === 'certificate')
        const stored = await store.certificates.find(ISSUER_ID, certificate.serial)
        assert.deepEqual(stored, { ...stored, ...issued.certificate })
        assert.deepEqual(issued.certificate.certificateDer, stored?.certificateDer)
        assert.ok(revocation?.kind === 'revocation' && revocation.reason === 1)
        assert.ok(ended?.kind === 'account' && ended.account.deactivatedAt !== undefined)
        const page = await store.history.changes({ after: ids[0] ?? 0, upTo: (ids[1] ?? 0) as number, limit: 1000 })
        assert.equal(page.newest, ids[1])
        assert.equal(page.count, (ids[1] ?? 0) - (ids[0] ?? 0))
      }))
  })

  describe('recovery', () => {
    test('KF-E08 after a restore nothing that was under way goes on', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const account = await createAccount(store, now)
        const pending = await placeOrder(store, account, [dnsName('pending.test')], now)
        const answered = await placeOrder(store, account, [dnsName('answered.test')], now)
        for (const authorization of answered.authorizations) await respond(store, authorization, now)
        const ready = await readyOrder(store, account, [dnsName('ready.test')], now)
        const processing = await readyOrder(store, account, [dnsName('processing.test')], now)
        const reserved = certificateRecord(now, processing)
        assert.equal(await begin(store, reserved, now), 'begun')
        const done = await readyOrder(store, account, [dnsName('done.test')], now)
        const issued = certificateRecord(now, done)
        await begin(store, issued, now)
        await complete(store, issued, now)

        await store.recovery.begin('next', now)
        const ended = await finish(store, now)
        assert.deepEqual(ended, {
          orders: 4,
          reservations: 1,
          authorizations: 5,
          validationJobs: 1,
          eabKeys: 0,
          nameGrants: 0,
        })
        for (const { order } of [pending, answered, ready, processing]) {
          const found = await store.orders.get(order.id)
          assert.equal(found?.order.error?.detail, 'restored')
        }
        assert.equal((await store.orders.get(done.order.id))?.order.certificateSerial, issued.serial)
        assert.equal(await store.validationJobs.count(), 0)
        assert.deepEqual(await store.certificates.listUnfinished(later(now, 1), 10), [])
        // A proof could have been withdrawn in the lost time.
        const names = [{ identifier: dnsName('done.test'), wildcard: false }] as const
        assert.deepEqual(await store.authorizations.findValid(account.directory, account.id, names, now), [])
        assert.equal(await complete(store, reserved, now), 'unknown')
      }))

    test('KF-E08 after a restore secrets are made anew, and unused external account keys are revoked unless told otherwise', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const [first, second, gone] = [eabKeyRecord(now), eabKeyRecord(now), eabKeyRecord(now, { expiresAt: now })]
        for (const key of [first, gone]) await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
        await store.secrets.getOrCreate('nonce-key', () => Buffer.from('old'))
        await store.secrets.getOrCreate('another', () => Buffer.from('stays'))
        await store.recovery.begin('next', now)
        assert.equal((await finish(store, now, { voidEabKeys: true })).eabKeys, 1)
        assert.deepEqual((await store.eabKeys.find(first.id))?.revokedAt, now)
        assert.equal((await store.eabKeys.find(gone.id))?.revokedAt, undefined)
        assert.deepEqual(await store.secrets.getOrCreate('nonce-key', () => Buffer.from('new')), Buffer.from('new'))
        assert.deepEqual(await store.secrets.getOrCreate('another', () => Buffer.from('x')), Buffer.from('stays'))

        await store.eabKeys.create(second, auditEvent(now, 'eab-key.created'))
        await store.recovery.begin('one more', now)
        assert.equal((await finish(store, now, { voidEabKeys: false })).eabKeys, 0)
        assert.equal((await store.eabKeys.find(second.id))?.revokedAt, undefined)
      }))

    test('KF-E08 CRL numbers go on above every known one, and stored lists go so that new ones are made', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        assert.equal(await store.crls.lastNumber(ISSUER_ID), undefined)
        await buildCrl(store, ISSUER_ID, 7n, now)
        assert.equal(await store.crls.lastNumber(ISSUER_ID), 7n)
        const other = anyHex(20)
        const far = 2n ** 100n
        await store.recovery.begin('next', now)
        await finish(store, now, { crlNumbers: new Map([[other, far]]) })
        const [own, foreign] = [await store.crls.lastNumber(ISSUER_ID), await store.crls.lastNumber(other)]
        assert.ok(own !== undefined && own > BigInt(now.getTime()) + 10n ** 12n)
        assert.ok(foreign !== undefined && foreign > far)
        assert.equal(await store.crls.latest(ISSUER_ID), undefined)
        assert.equal(await publish(store, ISSUER_ID, own, 0, now), 'superseded')
        assert.equal(await publish(store, ISSUER_ID, own + 1n, 0, now), 'published')
      }))

    test('KF-E08 a certificate that the database lacks is put back, found and revoked; a serial never gets other bytes', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const account = await createAccount(store, now)
        const lost = remembered(now)
        const known = await issueCertificate(store, now)
        const taken = { ...remembered(now), serial: known.serial }
        const processing = await readyOrder(store, account, [dnsName('processing.test')], now)
        const reserved = certificateRecord(now, processing)
        await begin(store, reserved, now)
        const finished = { ...reserved, certificateDer: anyDer(), issuedAt: now }
        const put = await store.recovery.putCertificates([lost, taken, finished])
        assert.deepEqual(put, ['added', 'conflicting', 'completed'])
        assert.deepEqual(await store.recovery.putCertificates([lost, finished]), ['known', 'known'])
        assert.deepEqual(await store.certificates.findBySerial(lost.serial), [lost])
        assert.equal((await store.orders.get(processing.order.id))?.order.certificateSerial, reserved.serial)
        assert.equal((await revoke(store, lost, now)).outcome, 'revoked')
        const { entries } = await store.crls.revokedEntries(ISSUER_ID, now)
        assert.deepEqual(
          entries.map(({ serial }) => serial),
          [lost.serial],
        )
      }))

    test('KF-E08 what was revoked stays revoked with its first date, its gravest reason and its key blocked', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const certificate = await issueCertificate(store, now)
        const revocation = { id: 1, kind: 'revocation', issuerId: ISSUER_ID, serial: certificate.serial } as const
        const first = { ...revocation, revokedAt: later(now, 1000), reason: 4 } as const
        const grave = { ...revocation, revokedAt: later(now, 5000), reason: 1 } as const
        const unknown = { ...first, serial: '77' }
        assert.deepEqual(await store.recovery.putRevocations([first, first, unknown]), ['revoked', 'known', 'unknown'])
        assert.deepEqual(await store.recovery.putRevocations([grave, first]), ['revoked', 'known'])
        const found = await store.certificates.find(ISSUER_ID, certificate.serial)
        assert.deepEqual([found?.revokedAt, found?.revocationReason], [first.revokedAt, 1])
        assert.equal(await store.blockedKeys.isBlocked(certificate.spkiSha256), true)
        assert.notEqual(await store.crls.pendingSince(ISSUER_ID), undefined)
      }))

    test('KF-E08 accounts are brought to their last known state, also where keys went round among them', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const [a, b] = [await createAccount(store, now), await createAccount(store, now)]
        const keyOf = ({ jwk, thumbprint, spkiSha256 }: typeof a) => ({ jwk, thumbprint, spkiSha256 })
        const added = accountRecord(now)
        const outcomes = await store.recovery.putAccounts(
          [{ ...a, ...keyOf(b) }, { ...b, ...keyOf(a), deactivatedAt: now }, added],
          now,
        )
        assert.deepEqual(outcomes, ['changed', 'changed', 'added'])
        assert.equal((await store.accounts.findByThumbprint(a.directory, b.thumbprint))?.id, a.id)
        assert.deepEqual((await store.accounts.find(b.directory, b.id))?.deactivatedAt, now)
        assert.deepEqual(await store.accounts.find(added.directory, added.id), added)
        // An end is never undone.
        await store.recovery.putAccounts([{ ...b, ...keyOf(a) }], now)
        assert.deepEqual((await store.accounts.find(b.directory, b.id))?.deactivatedAt, now)
      }))

    test('KF-E08 an account that comes back with the key of another can do nothing', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const [a, b] = [await createAccount(store, now), await createAccount(store, now)]
        const taken = { ...a, jwk: b.jwk, thumbprint: b.thumbprint, spkiSha256: b.spkiSha256 }
        assert.deepEqual(await store.recovery.putAccounts([taken], now), ['conflicting'])
        assert.equal((await store.accounts.findByThumbprint(b.directory, b.thumbprint))?.id, b.id)
        assert.equal(await store.accounts.findByThumbprint(a.directory, a.thumbprint), undefined)
        assert.deepEqual((await store.accounts.find(a.directory, a.id))?.revokedAt, now)
      }))

    test('KF-E08 KF-B14 an external account key that was used in the lost time is used', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const key = eabKeyRecord(now)
        await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
        const account = accountRecord(now, { eabKeyId: key.id })
        const { wrappedMacKey: _, ...facts } = key
        const used = { ...facts, usedAt: now, usedBy: account.id }
        const put = await store.recovery.putEabKeys([used, { ...facts, id: eabKeyRecord(now).id }])
        assert.deepEqual(put, ['ended', 'unknown'])
        assert.deepEqual(await store.recovery.putEabKeys([facts]), ['as-it-was'])
        assert.equal((await store.eabKeys.find(key.id))?.usedBy, account.id)
        const created = await store.accounts.create(accountRecord(now), {
          now,
          eab: key.id,
          audit: auditEvent(now, 'account.created'),
        })
        assert.equal(created.outcome, 'eab-unusable')
      }))

    test('KF-E08 KF-B24 a key that was made and ended in the lost time still stops its accounts, and makes none', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const { wrappedMacKey: _, ...facts } = eabKeyRecord(now, { maxUses: 'unlimited', attributes: { host: 'a' } })
        const account = accountRecord(now, { eabKeyId: facts.id })
        const ended = { ...facts, uses: 1, usedAt: now, usedBy: account.id, accountsEndAt: now }
        assert.deepEqual(await store.recovery.putEabKeys([ended]), ['unknown'])
        await store.recovery.putAccounts([account], now)
        const { externalKey } = (await store.accounts.find(account.directory, account.id)) ?? {}
        assert.deepEqual(externalKey, { lineage: facts.id, attributes: { host: 'a' }, groups: [], accountsEndAt: now })
        // Its secret is lost, whatever its record says.
        assert.equal((await store.eabKeys.find(facts.id))?.wrappedMacKey.length, 0)
        const create = { now, eab: facts.id, audit: auditEvent(now, 'account.created') }
        assert.deepEqual(await store.accounts.create(accountRecord(now), create), { outcome: 'eab-unusable' })

        // Another word of it, as of a key that the backup has: what ended stays ended, what was put off is put off.
        const { accountsEndAt: __, ...goesOn } = ended
        assert.deepEqual(await store.recovery.putEabKeys([{ ...goesOn, uses: 0 }]), ['ended'])
        const after = await store.eabKeys.find(facts.id)
        assert.deepEqual([after?.uses, after?.accountsEndAt], [1, undefined])
      }))

    test('KF-E08 names that were granted are granted no more after a restore', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const grant = nameGrantRecord(accountRecord(now).id, now)
        await store.nameGrants.add([grant], [auditEvent(now, 'name-grant.added')])
        await store.recovery.begin('next', now)
        assert.equal((await finish(store, now)).nameGrants, 1)
        assert.deepEqual((await store.nameGrants.list())[0]?.revokedAt, now)
      }))

    test('KF-E08 a restore that was cut short is gone on with; one that ended is not ended again', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        await store.history.beginFirst('first', now)
        await store.audit.append([auditEvent(now, 'one')])
        const branched = (await store.history.newest())?.id
        assert.equal(await store.recovery.begin('second', now), 1)
        assert.equal((await store.history.lineages())[1]?.finishedAt, undefined)
        assert.equal(await store.recovery.begin('third', now), 1)
        await finish(store, later(now, hours(1)))
        const last = (await store.history.lineages()).at(-1)
        assert.deepEqual(
          [last?.lineage, last?.branchedAfter, last?.finishedAt],
          ['second', branched, later(now, hours(1))],
        )
        await assert.rejects(finish(store, now), { code: 'failed' })
        assert.equal(await store.recovery.begin('fourth', now), 2)
      }))

    test('an imported certificate has its audit event, once', () =>
      withStore(async ({ store, clock }) => {
        const now = clock.now()
        const certificate = remembered(now)
        const audit = () => auditEvent(now, 'certificate.imported', { serial: certificate.serial })
        assert.deepEqual(await store.recovery.importCertificates([certificate], audit), ['added'])
        assert.deepEqual(await store.recovery.importCertificates([certificate], audit), ['known'])
        assert.equal((await store.audit.findByReference(certificate.serial, 10)).length, 1)
      }))
  })
}
