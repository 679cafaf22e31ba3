import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Identifier } from '../../../src/lib/identifier.ts'
import type { LimitRequest, PauseRule } from '../../../src/store/limit-store.ts'
import type { AccountRecord } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import { auditEvent, certificateRecord, dnsName, hours, later, problem } from '../../support/records.ts'
import {
  anyDer,
  begin,
  createAccount,
  eventNames,
  firstChallengeId,
  placeOrder,
  prove,
  respond,
  times,
  type WithStore,
} from './harness.ts'

const SECOND_US = 1_000_000
const RETENTION = {
  finalOrdersSeconds: 3600,
  expiredCertificatesSeconds: 3600,
  unusedAccountsSeconds: 3600,
  spentEabKeysSeconds: 3600,
  auditSeconds: 3600,
  decisionsSeconds: 3600,
}
const PAUSE: PauseRule = { failures: 3, seconds: 60, atMostSeconds: 600 }

/** One unit a second, `burst` at once. */
function request(key: string, burst: number, units = 1, most = units): LimitRequest {
  return { key, rule: { intervalUs: SECOND_US, burst }, least: units, most }
}

async function fail(
  store: Store,
  account: AccountRecord,
  name: Identifier,
  now: Date,
  pause?: PauseRule,
): Promise<void> {
  const { authorizations } = await placeOrder(store, account, [name], now)
  const [authorization] = authorizations
  assert.ok(authorization)
  assert.equal((await respond(store, authorization, now)).outcome, 'queued')
  const error = problem('nobody answered')
  const options = { owner: 'runner 1', now, error, orderError: error, ...(pause && { pause }) }
  const audit = auditEvent(now, 'validation.failed', { accountId: account.id })
  assert.equal(await store.validationJobs.fail(firstChallengeId(authorization), { ...options, audit }), 'done')
}

async function pausesOf(store: Store, account: AccountRecord, name: Identifier, now: Date) {
  const names = [`${account.id}/${name.type}:${name.value}`]
  return (await store.limits.standing({ set: 'none', names }, now)).pauses
}

export function limitsContract(withStore: WithStore): void {
  test('KF-F05 a key gives its burst, then nothing, then what came back', () =>
    withStore(async ({ store, clock }) => {
      const take = () => store.limits.take([request('k', 3)], clock.now())
      for (let i = 0; i < 3; i++) assert.deepEqual(await take(), { outcome: 'taken', units: [1] })
      assert.deepEqual(await take(), { outcome: 'refused', key: 'k', waitUs: SECOND_US })
      await clock.advance(2000)
      assert.equal((await take()).outcome, 'taken')
      assert.equal((await take()).outcome, 'taken')
      assert.equal((await take()).outcome, 'refused')
    }))

  test('more than is needed is taken as far as it is there', () =>
    withStore(async ({ store, clock }) => {
      const take = (least: number, most: number) => store.limits.take([request('k', 10, least, most)], clock.now())
      assert.deepEqual(await take(1, 4), { outcome: 'taken', units: [4] })
      assert.deepEqual(await take(2, 100), { outcome: 'taken', units: [6] })
      assert.deepEqual(await take(1, 100), { outcome: 'refused', key: 'k', waitUs: SECOND_US })
    }))

  test('all keys or none: the longest wait is told, and nothing is taken', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      await store.limits.take([request('b', 5, 4), request('c', 5, 5)], now)
      const refused = await store.limits.take([request('a', 5, 5), request('b', 5, 2), request('c', 5, 2)], now)
      assert.deepEqual(refused, { outcome: 'refused', key: 'c', waitUs: 2 * SECOND_US })
      assert.deepEqual(await store.limits.take([request('a', 5, 5), request('b', 5, 1)], now), {
        outcome: 'taken',
        units: [5, 1],
      })
    }))

  test('as many keys as an order has names are taken in one call', () =>
    withStore(async ({ store, clock }) => {
      for (const count of [1, 2, 3, 7, 64, 103, 205]) {
        const requests = times(count, (i) => request(`of ${count}: ${i}`, 2))
        assert.equal((await store.limits.take(requests, clock.now())).outcome, 'taken')
        assert.equal((await store.limits.take(requests, clock.now())).outcome, 'taken')
        assert.equal((await store.limits.take(requests.slice(-1), clock.now())).outcome, 'refused')
      }
    }))

  test('KF-E06 a hundred at once get exactly the burst', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const outcomes = await Promise.all(
        times(100, (i) => store.limits.take([request('k', 30), request(`own ${i}`, 1)], now)),
      )
      assert.equal(outcomes.filter(({ outcome }) => outcome === 'taken').length, 30)
    }))

  test('KF-E09 a clock that goes back a year leaves a full debt, which is paid off at the usual rate', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      await store.limits.take([request('k', 5, 5)], later(now, hours(24 * 365)))
      assert.deepEqual(await store.limits.take([request('k', 5)], now), {
        outcome: 'refused',
        key: 'k',
        waitUs: SECOND_US,
      })
      assert.equal((await store.limits.take([request('k', 5)], later(now, 1000))).outcome, 'taken')
      assert.equal((await store.limits.take([request('k', 5)], later(now, 1000))).outcome, 'refused')
    }))

  test('what is spent without asking is counted, up to a full debt', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const { rule } = request('k', 5)
      await store.limits.spend([], now)
      await store.limits.spend([{ key: 'k', rule, units: 3 }], now)
      assert.deepEqual(await store.limits.take([request('k', 5, 1, 5)], now), { outcome: 'taken', units: [2] })
      await store.limits.spend([{ key: 'k', rule, units: 1000 }], now)
      assert.equal((await store.limits.take([request('k', 5)], later(now, 1000))).outcome, 'taken')
    }))

  test('a completed certificate makes its set of names renewable, and counts for the set', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const rule = { intervalUs: SECOND_US, burst: 2 }
      const standing = () => store.limits.standing({ set: 'a set', names: [] }, now)
      assert.deepEqual(await standing(), { pauses: [] })
      const issue = async (renewableUntil: Date): Promise<void> => {
        const certificate = certificateRecord(now)
        await begin(store, certificate, now)
        const names = { key: 'a set', renewableUntil, rule }
        const audit = auditEvent(now, 'certificate.issued')
        const options = { certificateDer: anyDer(), now, names, audit }
        assert.equal(await store.certificates.complete(certificate, options), 'completed')
      }
      await issue(later(now, hours(48)))
      const nowUs = now.getTime() * 1000
      assert.deepEqual((await standing()).issued, { renewableUntil: later(now, hours(48)), tatUs: nowUs + SECOND_US })
      // A shorter one later takes nothing back, and a debt never grows without end.
      for (let i = 0; i < 9; i++) await issue(later(now, hours(1)))
      assert.deepEqual((await standing()).issued, {
        renewableUntil: later(now, hours(48)),
        tatUs: nowUs + 3 * SECOND_US,
      })
    }))

  test('a certificate that is not completed makes nothing renewable', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const names = { key: 'a set', renewableUntil: later(now, hours(1)) }
      const options = { certificateDer: anyDer(), now, names, audit: auditEvent(now, 'x') }
      assert.equal(await store.certificates.complete({ issuerId: 'none', serial: '01' }, options), 'unknown')
      assert.equal((await store.limits.standing({ set: 'a set', names: [] }, now)).issued, undefined)
    }))

  test('KF-F04 a name is paused after failures in a row, twice as long with each further one, up to the longest', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      const name = dnsName('hopeless.test')
      const lengths: number[] = []
      for (let i = 0; i < 8; i++) {
        const now = clock.now()
        await fail(store, account, name, now, PAUSE)
        const [pause] = await pausesOf(store, account, name, now)
        lengths.push(pause === undefined ? 0 : (pause.pausedUntil.getTime() - now.getTime()) / 1000)
        await clock.advance(1000)
      }
      assert.deepEqual(lengths, [0, 0, 60, 120, 240, 480, 600, 600])
      const [pause] = await store.limits.listPauses({ now: clock.now(), limit: 10 })
      assert.deepEqual(pause, {
        key: `${account.id}/dns:hopeless.test`,
        directory: account.directory,
        accountId: account.id,
        identifier: name,
        failures: 8,
        pausedUntil: later(clock.now(), 599_000),
      })
      const paused = (await eventNames(store, account.id)).filter((event) => event === 'name.paused')
      assert.equal(paused.length, 6)
      await clock.advance(600_000)
      assert.deepEqual(await pausesOf(store, account, name, clock.now()), [])
      assert.deepEqual(await store.limits.listPauses({ now: clock.now(), limit: 10 }), [])
    }))

  test('KF-F04 a pause is of one account and one name, its wildcard apart', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const [account, other] = [await createAccount(store, now), await createAccount(store, now)]
      for (let i = 0; i < 3; i++) await fail(store, account, dnsName('*.a.test'), later(now, i), PAUSE)
      const at = later(now, 10)
      assert.equal((await pausesOf(store, account, dnsName('*.a.test'), at)).length, 1)
      assert.deepEqual(await pausesOf(store, account, dnsName('a.test'), at), [])
      assert.deepEqual(await pausesOf(store, other, dnsName('*.a.test'), at), [])
      const names = times(100, (i) => `${account.id}/dns:${i}.test`)
      const standing = await store.limits.standing({ set: 's', names: [...names, `${account.id}/dns:*.a.test`] }, at)
      assert.deepEqual(
        standing.pauses.map(({ identifier }) => identifier.value),
        ['*.a.test'],
      )
    }))

  test('KF-F04 a proof that succeeds begins the count anew', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      const name = dnsName('shaky.test')
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 2; i++) {
          await fail(store, account, name, clock.now(), PAUSE)
          await clock.advance(1000)
        }
        const { authorizations } = await placeOrder(store, account, [name], clock.now())
        for (const authorization of authorizations) await prove(store, authorization, clock.now())
        await clock.advance(1000)
      }
      assert.deepEqual(await pausesOf(store, account, name, clock.now()), [])
    }))

  test('failures are not counted where names are never paused', () =>
    withStore(async ({ store, clock }) => {
      const account = await createAccount(store, clock.now())
      for (let i = 0; i < 5; i++) await fail(store, account, dnsName('a.test'), later(clock.now(), i))
      assert.equal((await store.retention.counts())['name_failures'], 0)
    }))

  test('an operator sees who owes most first, and can forget a key or a pause', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      await store.limits.take([request('little', 10, 1), request('much', 10, 9)], now)
      for (let i = 0; i < 3; i++) await fail(store, account, dnsName('a.test'), later(now, i), PAUSE)
      const listed = await store.limits.list({ now, limit: 10 })
      assert.deepEqual(
        listed.map(({ key }) => key),
        ['much', 'little'],
      )
      assert.equal((await store.limits.list({ now, limit: 1 })).length, 1)
      const clear = (key: string) => store.limits.clear(key, auditEvent(now, 'limit.cleared', { requestId: 'by cli' }))
      assert.equal(await clear('much'), true)
      assert.equal(await clear('much'), false)
      assert.equal(await clear(`${account.id}/dns:a.test`), true)
      assert.deepEqual(await pausesOf(store, account, dnsName('a.test'), later(now, 10)), [])
      assert.deepEqual(await store.limits.take([request('much', 10, 10)], now), { outcome: 'taken', units: [10] })
      assert.deepEqual(await eventNames(store, 'by cli'), ['limit.cleared', 'limit.cleared'])
    }))

  test('KF-E10 rows that say nothing any more are swept, in batches and counted', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      await Promise.all(times(120, (i) => store.limits.take([request(`k ${i}`, 10, 10)], now)))
      await store.limits.take([request('slow', 10_000, 10_000)], now)
      const account = await createAccount(store, now)
      await fail(store, account, dnsName('a.test'), now, PAUSE)
      assert.equal(await store.retention.sweep(RETENTION, { now: later(now, 10_000), batch: 50 }), 0)
      const after = later(now, 10_000 + 60_000)
      assert.equal(await store.retention.sweep(RETENTION, { now: after, batch: 50 }), 50)
      while ((await store.retention.sweep(RETENTION, { now: after, batch: 50 })) > 0);
      const counts = await store.retention.counts()
      assert.deepEqual([counts['rate_limits'], counts['name_failures']], [1, 1])
      while ((await store.retention.sweep(RETENTION, { now: later(now, hours(3)), batch: 50 })) > 0);
      const none = await store.retention.counts()
      assert.deepEqual([none['rate_limits'], none['name_failures']], [0, 0])
    }))
}
