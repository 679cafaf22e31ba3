import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NameClaim } from '../../../src/store/issued-names.ts'
import type { CertificateRecord } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import { auditEvent, certificateRecord, hours, later, problem } from '../../support/records.ts'
import { complete, createAccount, revoke, tally, times, type WithStore } from './harness.ts'

const NAME = 'dns:a.test'

function reserve(store: Store, certificate: CertificateRecord, names: readonly NameClaim[] = [{ name: NAME }]) {
  const now = certificate.reservedAt
  return store.certificates.begin(certificate, { now, names, audit: auditEvent(now, 'certificate.intended') })
}

export function issuedNamesContract(withStore: WithStore): void {
  test('the certificates of a name count up, by whichever account, and the newest of one account is found', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const [ann, bob] = [await createAccount(store, now), await createAccount(store, now)]
      assert.deepEqual(await store.issuedNames.look({ name: NAME, accountId: ann.id, count: 1, now }), { position: 0 })
      const { id: accountId } = ann
      const first = certificateRecord(now, { accountId, directory: ann.directory })
      const second = certificateRecord(later(now, 5), { accountId: bob.id, directory: bob.directory })
      assert.equal(await reserve(store, first, [{ name: NAME }, { name: 'dns:b.test' }]), 'begun')
      assert.equal(await reserve(store, second), 'begun')
      const { issuerId, notBefore, notAfter } = first
      const last = { issuerId, notBefore, notAfter, isRevoked: false }
      assert.deepEqual(await store.issuedNames.look({ name: NAME, accountId, count: 2, now }), {
        position: 2,
        last,
        countReachedAt: now,
      })
      assert.deepEqual(await store.issuedNames.look({ name: NAME, accountId: 'acc_other', count: 3, now }), {
        position: 2,
      })
      assert.deepEqual(await store.issuedNames.look({ name: 'dns:b.test', count: 1, now }), {
        position: 1,
        countReachedAt: now,
      })
      assert.deepEqual(await store.issuedNames.look({ name: 'DNS:a.test', count: 1, now }), { position: 0 })
    }))

  test('a reservation that was given up is no certificate; one that was revoked is, and says so', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const { id: accountId, directory } = await createAccount(store, now)
      const issued = certificateRecord(now, { accountId, directory })
      const lost = certificateRecord(later(now, 5), { accountId, directory })
      await reserve(store, issued)
      await complete(store, issued, now)
      await reserve(store, lost)
      await store.certificates.abandon(lost, { now, error: problem('lost'), audit: auditEvent(now, 'x') })
      const history = await store.issuedNames.look({ name: NAME, accountId, count: 2, now })
      assert.deepEqual(
        [history.position, history.last?.notBefore, history.countReachedAt],
        [2, issued.notBefore, undefined],
      )
      await revoke(store, issued, now)
      assert.equal((await store.issuedNames.look({ name: NAME, accountId, now })).last?.isRevoked, true)
    }))

  test('KF-E06 of 20 that saw the same past one is reserved, and the others leave nothing', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const claims = [{ name: 'dns:b.test' }, { name: NAME, seen: 0 }]
      const results = await Promise.all(times(20, () => reserve(store, certificateRecord(now), claims)))
      assert.deepEqual(tally(results), { begun: 1, 'names-changed': 19 })
      const counts = await store.retention.counts()
      assert.deepEqual([counts['certificates'], counts['issued_names']], [1, 2])
      assert.equal(await reserve(store, certificateRecord(now), [{ name: NAME, seen: 1 }]), 'begun')
      assert.equal(await reserve(store, certificateRecord(now), [{ name: NAME, seen: 1 }]), 'names-changed')
    }))

  test('20 at once whose decisions did not depend on it are all counted', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const claims = [{ name: NAME }, { name: 'dns:b.test' }]
      const results = await Promise.all(times(20, () => reserve(store, certificateRecord(now), claims)))
      assert.deepEqual(tally(results), { begun: 20 })
      assert.equal((await store.issuedNames.look({ name: NAME, now })).position, 20)
    }))

  test('KF-E09 what was reserved while the clock was far ahead is not the last one, and is not counted', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const { id: accountId, directory } = await createAccount(store, now)
      const good = certificateRecord(now, { accountId, directory })
      await reserve(store, good)
      await reserve(store, certificateRecord(later(now, hours(24 * 100)), { accountId, directory }))
      const look = (at: Date) => store.issuedNames.look({ name: NAME, accountId, count: 2, now: at })
      const history = await look(now)
      assert.deepEqual(
        [history.position, history.last?.notBefore, history.countReachedAt],
        [2, good.notBefore, undefined],
      )
      await reserve(store, certificateRecord(later(now, 30_000), { accountId, directory }))
      const stepped = await look(now)
      assert.deepEqual(stepped.countReachedAt, now, 'a step of seconds is no wrong clock')
    }))

  test('KF-E10 names are forgotten when no rule can ask for them any more', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      await reserve(store, certificateRecord(now))
      const long = certificateRecord(now, { notAfter: later(now, hours(24 * 200)) })
      await reserve(store, long, [{ name: 'dns:long.test' }])
      const policy = {
        finalOrdersSeconds: 1,
        expiredCertificatesSeconds: 1e9,
        unusedAccountsSeconds: 1e9,
        spentEabKeysSeconds: 1e9,
        auditSeconds: 1e9,
        decisionsSeconds: 1e9,
      }
      const left = async (atDays: number): Promise<number | undefined> => {
        await store.retention.sweep(policy, { now: later(now, hours(24 * atDays)), batch: 100 })
        return (await store.retention.counts())['issued_names']
      }
      assert.equal(await left(90), 2)
      assert.equal(await left(92), 1)
      assert.equal(await left(201), 0)
    }))
}
