import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyRequest } from '../../../src/policy/decision.ts'
import type { DecisionRecord, PolicyVersion } from '../../../src/store/decisions.ts'
import type { RetentionPolicy, Store } from '../../../src/store/store.ts'
import { auditEvent, certificateRecord, decisionRecord, dnsName, hours, later, problem } from '../../support/records.ts'
import { begin, createAccount, readyOrder, times, type WithStore } from './harness.ts'

const DAY = 86_400
const POLICY: RetentionPolicy = {
  finalOrdersSeconds: 1000 * DAY,
  expiredCertificatesSeconds: 1000 * DAY,
  unusedAccountsSeconds: 1000 * DAY,
  spentEabKeysSeconds: 1000 * DAY,
  auditSeconds: 1000 * DAY,
  decisionsSeconds: 30 * DAY,
}

function append(store: Store, record: DecisionRecord): Promise<void> {
  return store.decisions.append(record, auditEvent(record.request.at, 'policy.denied'))
}

async function sweepAll(store: Store, now: Date): Promise<void> {
  while ((await store.retention.sweep(POLICY, { now, batch: 3 })) > 0);
}

/** Everything that a request and an answer can hold. */
function fullRecord(at: Date): DecisionRecord {
  const names: PolicyRequest['names'] = [
    { type: 'dns', value: '*.corp.test' },
    { type: 'ip', value: '2001:db8::1' },
    { type: 'uri', value: 'spiffe://corp.test/ns/a' },
    { type: 'email', value: 'ann@corp.test' },
    { type: 'other', value: 'ü \u{1f511} \\ " \'' },
  ]
  const [first] = names
  assert.ok(first)
  return {
    reference: 'req_1',
    orderId: 'ord_1',
    serial: '4f01',
    request: {
      requester: { kind: 'account', directory: 'mesh', accountId: 'acc_1' },
      stage: 'issuance',
      profile: 'server',
      names,
      key: { algorithm: 'P-256', bits: 256, spkiSha256: 'ab'.repeat(32) },
      lifetimeSeconds: 86_400,
      extendedKeyUsages: ['serverAuth', '1.2.3'],
      proofs: [{ name: first, method: 'dns-01', address: '10.0.0.1', at }],
      at,
    },
    decision: {
      outcome: 'allow',
      reasons: [{ rule: 'team-a', code: 'allowed', detail: 'yes', name: first }],
      version: 'fedcba9876543210',
      grant: { methods: [['dns-01'], ...names.slice(1).map(() => ['http-01'] as const)], maxLifetimeSeconds: 3600 },
    },
  }
}

export function decisionsContract(withStore: WithStore): void {
  test('a decision comes back as it was made: by request, by order, and by nothing else', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const full = fullRecord(now)
      const refused = decisionRecord(later(now, 1), { reference: 'req_2' })
      const own = decisionRecord(now, { request: { ...full.request, requester: { kind: 'server' } } })
      for (const record of [full, refused, own]) await append(store, record)
      assert.deepEqual(await store.decisions.find('req_1', 10), [full])
      assert.deepEqual(await store.decisions.find('ord_1', 10), [full])
      assert.deepEqual(await store.decisions.find('req_2', 10), [refused])
      for (const nothing of ['', 'acc_1', '4f01', 'mesh']) assert.deepEqual(await store.decisions.find(nothing, 10), [])
    }))

  test('several decisions about one order come back oldest first, at most as many as asked for', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const records = times(5, (i) => decisionRecord(later(now, i), { orderId: 'ord_1', reference: `req_${i}` }))
      for (const record of records) await append(store, record)
      assert.deepEqual(await store.decisions.find('ord_1', 10), records)
      assert.deepEqual(await store.decisions.find('ord_1', 2), records.slice(0, 2))
      const odd = decisionRecord(now, { orderId: 'x', reference: 'x' })
      await append(store, odd)
      assert.deepEqual(await store.decisions.find('x', 10), [odd], 'told once, although it names one id twice')
    }))

  test('pages go from the newest back to an instant, and no further', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const records = times(7, (i) => decisionRecord(later(now, hours(i)), { reference: `req_${i}` }))
      for (const record of records) await append(store, record)
      const seen: DecisionRecord[] = []
      let before: number | undefined
      do {
        const page = await store.decisions.page({ since: later(now, hours(2)), limit: 2, ...(before && { before }) })
        seen.push(...page.decisions)
        assert.equal(page.unreadable, 0)
        before = page.next
      } while (before !== undefined)
      assert.deepEqual(seen, records.slice(2).toReversed())
      assert.deepEqual(await store.decisions.page({ since: later(now, hours(9)), limit: 10 }), {
        decisions: [],
        unreadable: 0,
      })
    }))

  test('KF-E12 a decision that cannot be read is named when it is asked for, and counted among others', () =>
    withStore(async ({ store, clock, execute }) => {
      const now = clock.now()
      for (const i of [1, 2, 3]) await append(store, decisionRecord(now, { reference: `req_${i}` }))
      await execute(`UPDATE decisions SET request = '{"requester":' WHERE reference = 'req_2'`)
      await assert.rejects(store.decisions.find('req_2', 10), { code: 'failed', message: /decisions\.request/ })
      const { decisions, unreadable } = await store.decisions.page({ since: now, limit: 10 })
      assert.deepEqual(
        decisions.map(({ reference }) => reference),
        ['req_3', 'req_1'],
      )
      assert.equal(unreadable, 1)
    }))

  test('KF-G04 what allows a certificate is stored with its reservation, or neither is', () =>
    withStore(async ({ store, clock, refuse }) => {
      const now = clock.now()
      const placed = await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
      const certificate = certificateRecord(now, placed)
      const decision = { ...fullRecord(now), orderId: placed.order.id, serial: certificate.serial }
      const options = { now, csrSha256: 'c5'.repeat(32), decision, audit: auditEvent(now, 'certificate.intended') }
      const heal = await refuse('insert', 'decisions')
      await assert.rejects(store.certificates.begin(certificate, options), { code: 'failed' })
      await heal()
      assert.equal(await store.certificates.find(certificate.issuerId, certificate.serial), undefined)
      assert.equal((await store.orders.get(placed.order.id))?.order.processingAt, undefined)
      assert.deepEqual(await store.decisions.find(placed.order.id, 10), [])

      assert.equal(await store.certificates.begin(certificate, options), 'begun')
      assert.deepEqual(await store.decisions.find(placed.order.id, 10), [decision])
      assert.equal(await store.certificates.begin(certificate, options), 'not-ready')
      assert.equal((await store.decisions.find(placed.order.id, 10)).length, 1, 'a lost race leaves no decision')
      assert.equal(await begin(store, { ...certificateRecord(now), serial: certificate.serial }, now), 'serial-taken')
    }))

  test('what ends a reservation is stored with its end, once', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const certificate = certificateRecord(now)
      await begin(store, certificate, now)
      const decision = decisionRecord(now, { reference: 'req_1', serial: certificate.serial })
      const options = { now, error: problem('no'), decision, audit: auditEvent(now, 'certificate.abandoned') }
      await store.certificates.abandon(certificate, options)
      await store.certificates.abandon(certificate, options)
      assert.deepEqual(await store.decisions.find('req_1', 10), [decision])
    }))

  test('a refusal is stored together with its audit event, or neither is', () =>
    withStore(async ({ store, clock, refuse }) => {
      const now = clock.now()
      const record = decisionRecord(now, { reference: 'req_1' })
      const audit = auditEvent(now, 'policy.denied', { requestId: 'req_1' })
      const heal = await refuse('insert', 'audit_events')
      await assert.rejects(store.decisions.append(record, audit), { code: 'failed' })
      await heal()
      assert.deepEqual(await store.decisions.find('req_1', 10), [])
      await store.decisions.append(record, audit)
      assert.deepEqual(await store.audit.findByReference('req_1', 10), [audit])
    }))

  test('decisions go after their time, oldest first', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const records = times(8, (i) => decisionRecord(later(now, hours(24 * i)), { orderId: 'ord_1' }))
      for (const record of records) await append(store, record)
      await sweepAll(store, later(now, hours(24 * 32) - 1))
      assert.deepEqual(await store.decisions.find('ord_1', 10), records.slice(2))
    }))

  test('a policy is known by its version with the time and author of its first day, however often it is loaded', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const versions = times(3, (i) => policyVersion(`v${i}`, later(now, hours(i))))
      for (const version of versions) await load(store, version)
      const [first, second, third] = versions
      assert.ok(first && second && third)
      await load(store, { ...first, loadedAt: later(now, hours(9)), author: 'somebody else' })
      assert.deepEqual(await store.policyVersions.find('v0'), first)
      assert.equal(await store.policyVersions.find('v9'), undefined)
      assert.deepEqual(
        (await store.policyVersions.list(10)).map(({ version, author, lastLoadedAt }) => [
          version,
          author,
          (lastLoadedAt.getTime() - now.getTime()) / hours(1),
        ]),
        [
          ['v0', 'ann', 9],
          ['v2', 'ann', 2],
          ['v1', 'ann', 1],
        ],
      )
      assert.equal((await store.policyVersions.list(1)).length, 1)
    }))

  test('the text of a policy stays while it is in force, and as long after as a decision can name it', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      await load(store, policyVersion('old', now))
      await load(store, policyVersion('new', later(now, hours(24))))
      await sweepAll(store, later(now, hours(24 * 31) - 1))
      assert.ok(await store.policyVersions.find('old'))
      await sweepAll(store, later(now, hours(24 * 31)))
      assert.equal(await store.policyVersions.find('old'), undefined)
      await sweepAll(store, later(now, hours(24 * 9000)))
      assert.ok(await store.policyVersions.find('new'))
    }))
}

function policyVersion(version: string, loadedAt: Date): PolicyVersion {
  return { version, loadedAt, author: 'ann', text: `version: 1 # ${version} ü` }
}

function load(store: Store, version: PolicyVersion): Promise<void> {
  return store.policyVersions.record(version, auditEvent(version.loadedAt, 'policy.loaded'))
}
