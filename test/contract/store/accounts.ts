import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accountRecord,
  anyHex,
  auditEvent,
  certificateRecord,
  dnsName,
  eabKeyRecord,
  hours,
  later,
  problem,
  revokeEabKey,
} from '../../support/records.ts'
import {
  begin,
  complete,
  createAccount,
  eventNames,
  firstChallengeId,
  placeOrder,
  readyOrder,
  respond,
  tally,
  times,
  type WithStore,
} from './harness.ts'

export function accountsContract(withStore: WithStore): void {
  test('an account comes back as it was given, with and without its optional facts', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const plain = await createAccount(store, now, { contact: [] })
      const full = await createAccount(store, now, {
        jwk: { kty: 'EC', crv: 'P-256', x: 'eA', y: 'eQ' },
        contact: ['mailto:a@example.test', 'mailto:b@example.test'],
        termsAgreedAt: now,
        externalAccountBinding: { protected: 'cA', payload: 'cB', signature: 'cC' },
        eabKeyId: eabKeyRecord(now).id,
      })
      assert.deepEqual(await store.accounts.find(plain.directory, plain.id), plain)
      assert.deepEqual(await store.accounts.find(full.directory, full.id), full)
      assert.deepEqual(await store.accounts.findByThumbprint(full.directory, full.thumbprint), full)
    }))

  test('KF-B09 an account of another directory is absent', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      const audit = auditEvent(clock.now(), 'never')
      assert.equal(await store.accounts.find('other', account.id), undefined)
      assert.equal(await store.accounts.findByThumbprint('other', account.thumbprint), undefined)
      assert.equal(await store.accounts.updateContact('other', account.id, [], audit), undefined)
      const options = { now: clock.now(), error: problem('gone'), audit }
      assert.equal(await store.accounts.deactivate('other', account.id, options), undefined)
      assert.deepEqual(await store.accounts.find(account.directory, account.id), account)
    }))

  test('KF-B12 50 parallel newAccount of one key make one account, and all get it', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const { thumbprint } = accountRecord(now)
      const results = await Promise.all(
        times(50, () => {
          const account = accountRecord(now, { thumbprint })
          return store.accounts.create(account, {
            now,
            audit: auditEvent(now, 'account.created', { accountId: account.id }),
          })
        }),
      )
      const ids = results.map((result) => ('account' in result ? result.account.id : 'none'))
      assert.deepEqual(tally(results.map(({ outcome }) => outcome)), { created: 1, exists: 49 })
      assert.equal(new Set(ids).size, 1)
      const counts = await store.retention.counts()
      assert.equal(counts['accounts'], 1)
      assert.equal(counts['audit_events'], 1, 'only the account that came to be is told of')
    }))

  test('one key may have an account in each of two directories', () =>
    withStore(async ({ store, clock }) => {
      const first = await createAccount(store, clock.now())
      const second = await createAccount(store, clock.now(), { directory: 'other', thumbprint: first.thumbprint })
      assert.equal((await store.accounts.findByThumbprint('other', first.thumbprint))?.id, second.id)
    }))

  test('KF-B14 an external account key is spent by one of 20 parallel accounts', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const key = eabKeyRecord(now)
      await store.eabKeys.create(key, auditEvent(now, 'eab.created'))
      const accounts = times(20, () => accountRecord(now, { eabKeyId: key.id }))
      const results = await Promise.all(
        accounts.map((account) =>
          store.accounts.create(account, { now, eab: key.id, audit: auditEvent(now, 'account.created') }),
        ),
      )
      assert.deepEqual(tally(results.map(({ outcome }) => outcome)), { created: 1, 'eab-unusable': 19 })
      const winner = accounts[results.findIndex(({ outcome }) => outcome === 'created')]
      const spent = await store.eabKeys.find(key.id)
      assert.equal(spent?.usedBy, winner?.id)
      assert.deepEqual(spent?.usedAt, now)
      assert.equal((await store.retention.counts())['accounts'], 1)
    }))

  test('KF-B14 an external account key that is expired, revoked, foreign or unknown makes no account', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const expired = eabKeyRecord(now, { expiresAt: now })
      const revoked = eabKeyRecord(now)
      const foreign = eabKeyRecord(now, { directory: 'other' })
      for (const key of [expired, revoked, foreign]) await store.eabKeys.create(key, auditEvent(now, 'eab.created'))
      await revokeEabKey(store, revoked.id, now)
      for (const { id } of [expired, revoked, foreign, eabKeyRecord(now)]) {
        const account = accountRecord(now)
        const result = await store.accounts.create(account, {
          now,
          eab: id,
          audit: auditEvent(now, 'x', { accountId: account.id }),
        })
        assert.deepEqual(result, { outcome: 'eab-unusable' })
        assert.equal(await store.accounts.find(account.directory, account.id), undefined)
        assert.deepEqual(await eventNames(store, account.id), [])
      }
    }))

  test('CQ-A10 a known account key is answered with its account, even if the binding is spent or useless', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const key = eabKeyRecord(now)
      await store.eabKeys.create(key, auditEvent(now, 'eab.created'))
      const account = accountRecord(now)
      const create = (eab: typeof key.id) =>
        store.accounts.create(
          { ...account, id: accountRecord(now).id, contact: [] },
          { now, eab, audit: auditEvent(now, 'account.created') },
        )
      await store.accounts.create(account, { now, eab: key.id, audit: auditEvent(now, 'account.created') })
      for (const eab of [key.id, eabKeyRecord(now).id])
        assert.deepEqual(await create(eab), { outcome: 'exists', account })
    }))

  test('KF-B13 an account key is known as such in every directory, also of a deactivated account', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now, { directory: 'other' })
      assert.equal(await store.accounts.isAccountKey(account.spkiSha256), true)
      assert.equal(await store.accounts.isAccountKey(anyHex(32)), false)
      await store.accounts.deactivate('other', account.id, { now, error: problem('gone'), audit: auditEvent(now, 'x') })
      assert.equal(await store.accounts.isAccountKey(account.spkiSha256), true)
    }))

  test('contacts of a valid account are replaced, those of a deactivated one are not', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const update = (contact: string[]) =>
        store.accounts.updateContact(
          account.directory,
          account.id,
          contact,
          auditEvent(now, 'account.updated', { accountId: account.id }),
        )
      assert.deepEqual(await update(['mailto:new@example.test']), { ...account, contact: ['mailto:new@example.test'] })
      assert.deepEqual((await update([]))?.contact, [])
      const gone = await store.accounts.deactivate(account.directory, account.id, {
        now,
        error: problem('gone'),
        audit: auditEvent(now, 'x'),
      })
      assert.equal(await update(['mailto:late@example.test']), undefined)
      assert.deepEqual(await store.accounts.find(account.directory, account.id), gone)
      assert.deepEqual(await eventNames(store, account.id), ['account.updated', 'account.updated'])
    }))

  test('KF-B24 deactivation fails unfinished orders, leaves claimed and issued ones, and happens once', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const bystander = await readyOrder(store, await createAccount(store, now), [dnsName('b.test')], now)
      const pending = await placeOrder(store, account, [dnsName('a.test')], now)
      const ready = await readyOrder(store, account, [dnsName('b.test')], now)
      const expired = await placeOrder(store, account, [dnsName('c.test')], now, { expiresAt: now })
      const claimed = await readyOrder(store, account, [dnsName('d.test')], now)
      assert.equal(await begin(store, certificateRecord(now, claimed), now), 'begun')
      const issued = await readyOrder(store, account, [dnsName('e.test')], now)
      const certificate = certificateRecord(now, issued)
      assert.equal(await begin(store, certificate, now), 'begun')
      assert.equal(await complete(store, certificate, now), 'completed')

      const error = problem('the account was deactivated')
      const at = later(now, 1000)
      const options = { now: at, error, audit: auditEvent(at, 'account.deactivated', { accountId: account.id }) }
      const first = await store.accounts.deactivate(account.directory, account.id, options)
      assert.deepEqual(first?.deactivatedAt, at)
      const again = await store.accounts.deactivate(account.directory, account.id, { ...options, now: later(at, 1000) })
      assert.deepEqual(again, first)
      assert.deepEqual(await eventNames(store, account.id), ['account.deactivated'])

      const failedAt = async ({ order }: { order: { id: typeof pending.order.id } }) =>
        (await store.orders.get(order.id))?.order.failedAt
      assert.deepEqual(await failedAt(pending), at)
      assert.deepEqual(await failedAt(ready), at)
      assert.deepEqual((await store.orders.get(ready.order.id))?.order.error, error)
      for (const order of [expired, claimed, issued, bystander]) assert.equal(await failedAt(order), undefined)
    }))

  test('KF-B24 jobs of a deactivated account end without effect', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const { authorizations } = await placeOrder(store, account, [dnsName('a.test')], now)
      const [authorization] = authorizations
      assert.ok(authorization)
      await respond(store, authorization, now)
      await store.accounts.deactivate(account.directory, account.id, {
        now,
        error: problem('gone'),
        audit: auditEvent(now, 'x'),
      })
      assert.equal(await store.validationJobs.count(), 0)
      const options = { owner: 'runner 1', now, expiresAt: later(now, hours(1)), audit: auditEvent(now, 'x') }
      assert.equal(await store.validationJobs.succeed(firstChallengeId(authorization), options), 'discarded')
    }))

  test('KF-B11 20 parallel rollovers of 20 accounts to one key: one wins, the others learn who', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const accounts = await Promise.all(times(20, () => createAccount(store, now)))
      const { jwk, thumbprint, spkiSha256 } = accountRecord(now)
      const results = await Promise.all(
        accounts.map((account) =>
          store.accounts.changeKey(account.directory, account.id, {
            oldThumbprint: account.thumbprint,
            jwk,
            thumbprint,
            spkiSha256,
            audit: auditEvent(now, 'account.key-changed', { accountId: account.id }),
          }),
        ),
      )
      assert.deepEqual(tally(results.map(({ outcome }) => outcome)), { changed: 1, conflict: 19 })
      const winner = await store.accounts.findByThumbprint(accounts[0]?.directory ?? '', thumbprint)
      assert.ok(winner)
      assert.deepEqual(winner.jwk, jwk)
      assert.equal(winner.spkiSha256, spkiSha256)
      for (const result of results) {
        if (result.outcome === 'conflict') assert.equal(result.accountId, winner.id)
      }
      assert.deepEqual(await eventNames(store, winner.id), ['account.key-changed'])
    }))

  test('KF-B11 two rollovers of one account race: the second finds its old key replaced', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const results = await Promise.all(
        times(2, () => {
          const { jwk, thumbprint, spkiSha256 } = accountRecord(now)
          const change = { oldThumbprint: account.thumbprint, jwk, thumbprint, spkiSha256, audit: auditEvent(now, 'x') }
          return store.accounts.changeKey(account.directory, account.id, change)
        }),
      )
      assert.deepEqual(tally(results.map(({ outcome }) => outcome)), { changed: 1, stale: 1 })
      assert.equal(await store.accounts.findByThumbprint(account.directory, account.thumbprint), undefined)
      assert.equal(await store.accounts.isAccountKey(account.spkiSha256), false)
    }))

  test('a deactivated account cannot change its key', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      await store.accounts.deactivate(account.directory, account.id, {
        now,
        error: problem('gone'),
        audit: auditEvent(now, 'x'),
      })
      const { jwk, thumbprint, spkiSha256 } = accountRecord(now)
      const change = { oldThumbprint: account.thumbprint, jwk, thumbprint, spkiSha256, audit: auditEvent(now, 'x') }
      assert.deepEqual(await store.accounts.changeKey(account.directory, account.id, change), { outcome: 'stale' })
    }))
}
