import assert from 'node:assert/strict'
import type { AccountRecord } from '../../src/store/records.ts'
import type { Store } from '../../src/store/store.ts'
import {
  begin,
  complete,
  createAccount,
  firstChallengeId,
  issueCertificate,
  type PlacedOrder,
  placeOrder,
  publish,
  readyOrder,
  respond,
  revoke,
} from '../contract/store/harness.ts'
import {
  accountRecord,
  anyHex,
  auditEvent,
  authorizationRecord,
  certificateRecord,
  decisionRecord,
  dnsName,
  eabKeyRecord,
  hours,
  ISSUER_ID,
  later,
  nameGrantRecord,
  orderRecord,
  problem,
  revokeEabKey,
} from '../support/records.ts'

/** What a write of the store needs before, as a function that does it: the write alone is what a kill is around. */
type Prepare = (store: Store, now: Date) => Promise<() => Promise<unknown>>

const SOON = 60_000
const RULE = { intervalUs: 1_000_000, burst: 5 }
const audit = (now: Date) => auditEvent(now, 'crash.point')

async function withAccount(
  store: Store,
  now: Date,
): Promise<{ account: AccountRecord; at: readonly [string, AccountRecord['id']] }> {
  const account = await createAccount(store, now)
  return { account, at: [account.directory, account.id] }
}

async function withOrder(store: Store, now: Date): Promise<PlacedOrder & { readonly account: AccountRecord }> {
  const account = await createAccount(store, now)
  return { account, ...(await placeOrder(store, account, [dnsName('a.test'), dnsName('b.test')], now)) }
}

/** An order whose first challenge was answered by `runner 1`. */
async function withJob(store: Store, now: Date) {
  const { authorizations } = await withOrder(store, now)
  const [authorization] = authorizations
  assert.ok(authorization)
  await respond(store, authorization, now)
  return firstChallengeId(authorization)
}

async function withReservation(store: Store, now: Date) {
  const placed = await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
  const certificate = certificateRecord(now, placed)
  assert.equal(await begin(store, certificate, now), 'begun')
  return certificate
}

/** Every method of the store that writes, by noun and name. */
export const WRITES: Readonly<Record<string, Prepare>> = {
  'accounts.create': async (store, now) => {
    const key = eabKeyRecord(now)
    await store.eabKeys.create(key, audit(now))
    const account = accountRecord(now, { eabKeyId: key.id })
    return () => store.accounts.create(account, { now, eab: key.id, audit: audit(now) })
  },
  'accounts.updateContact': async (store, now) => {
    const { at } = await withAccount(store, now)
    return () => store.accounts.updateContact(...at, ['mailto:a@example.test'], audit(now))
  },
  'accounts.deactivate': async (store, now) => {
    const { account } = await withOrder(store, now)
    const options = { now, error: problem('ended'), audit: audit(now) }
    return () => store.accounts.deactivate(account.directory, account.id, options)
  },
  'accounts.changeKey': async (store, now) => {
    const { account, at } = await withAccount(store, now)
    const { jwk, thumbprint, spkiSha256 } = accountRecord(now)
    const change = { oldThumbprint: account.thumbprint, jwk, thumbprint, spkiSha256, audit: audit(now) }
    return () => store.accounts.changeKey(...at, change)
  },
  'eabKeys.create': async (store, now) => {
    const key = eabKeyRecord(now)
    return () => store.eabKeys.create(key, audit(now))
  },
  'eabKeys.createAll': async (store, now) => {
    const keys = [eabKeyRecord(now), eabKeyRecord(now)]
    return () => store.eabKeys.createAll(keys, [audit(now), audit(now)])
  },
  'eabKeys.edit': async (store, now) => {
    const key = eabKeyRecord(now)
    await store.eabKeys.create(key, audit(now))
    return () => revokeEabKey(store, key.id, now)
  },
  'nameGrants.add': async (store, now) => {
    const { account } = await withAccount(store, now)
    return () => store.nameGrants.add([nameGrantRecord(account.id, now)], [audit(now)])
  },
  'nameGrants.revoke': async (store, now) => {
    const { account } = await withAccount(store, now)
    const grant = nameGrantRecord(account.id, now)
    await store.nameGrants.add([grant], [audit(now)])
    return () => store.nameGrants.revoke(grant.id, { now, error: problem('taken back'), audit: audit(now) })
  },
  'nonces.spend': async (store, now) => () => store.nonces.spend(anyHex(8), later(now, SOON)),
  'orders.create': async (store, now) => {
    const { account } = await withAccount(store, now)
    const names = [dnsName('a.test'), dnsName('b.test')]
    const order = orderRecord(account, names, now)
    const newAuthorizations = names.map((name) => authorizationRecord(account, name, now))
    const authorizationIds = newAuthorizations.map(({ id }) => id)
    return () => store.orders.create(order, { authorizationIds, newAuthorizations, now, audit: audit(now) })
  },
  'orders.fail': async (store, now) => {
    const { order } = await withOrder(store, now)
    return () => store.orders.fail(order.id, { now, error: problem('failed'), audit: audit(now) })
  },
  'authorizations.create': async (store, now) => {
    const { account } = await withAccount(store, now)
    const authorization = authorizationRecord(account, dnsName('a.test'), now)
    return () => store.authorizations.create(authorization, audit(now))
  },
  'authorizations.deactivate': async (store, now) => {
    const { account, authorizations } = await withOrder(store, now)
    const id = authorizations[0]?.id ?? assert.fail()
    const options = { now, error: problem('given up'), audit: audit(now) }
    return () => store.authorizations.deactivate(account.directory, account.id, id, options)
  },
  'validationJobs.enqueue': async (store, now) => {
    const { authorizations } = await withOrder(store, now)
    return () => respond(store, authorizations[0] ?? assert.fail(), now)
  },
  'validationJobs.lease': async (store, now) => {
    await withJob(store, now)
    const at = later(now, SOON)
    return () => store.validationJobs.lease({ now: at, owner: 'runner 2', leaseUntil: later(at, SOON), limit: 10 })
  },
  'validationJobs.renew': async (store, now) => {
    const id = await withJob(store, now)
    return () => store.validationJobs.renew([id], { owner: 'runner 1', leaseUntil: later(now, 2 * SOON) })
  },
  'validationJobs.retry': async (store, now) => {
    const id = await withJob(store, now)
    return () => store.validationJobs.retry(id, { owner: 'runner 1', runAt: later(now, SOON), error: problem('no') })
  },
  'validationJobs.release': async (store, now) => {
    const id = await withJob(store, now)
    return () => store.validationJobs.release([id], 'runner 1')
  },
  'validationJobs.hasten': async (store, now) => {
    const id = await withJob(store, now)
    await store.validationJobs.retry(id, { owner: 'runner 1', runAt: later(now, SOON), error: problem('no') })
    return () => store.validationJobs.hasten(id, later(now, 1))
  },
  'validationJobs.succeed': async (store, now) => {
    const id = await withJob(store, now)
    const options = { owner: 'runner 1', now, expiresAt: later(now, hours(8)), audit: audit(now) }
    return () => store.validationJobs.succeed(id, options)
  },
  'validationJobs.fail': async (store, now) => {
    const id = await withJob(store, now)
    const options = { owner: 'runner 1', now, error: problem('no'), orderError: problem('no'), audit: audit(now) }
    return () => store.validationJobs.fail(id, options)
  },
  'certificates.begin': async (store, now) => {
    const placed = await readyOrder(store, await createAccount(store, now), [dnsName('a.test')], now)
    const certificate = certificateRecord(now, placed)
    const decision = decisionRecord(now, { serial: certificate.serial })
    const names = [{ name: 'dns:a.test', seen: 0 }, { name: 'dns:b.test' }]
    const options = { now, csrSha256: 'c5'.repeat(32), decision, names, audit: audit(now) }
    return () => store.certificates.begin(certificate, options)
  },
  'certificates.complete': async (store, now) => {
    const certificate = await withReservation(store, now)
    const der = Buffer.from('certificate')
    return () => complete(store, certificate, now, der)
  },
  'certificates.abandon': async (store, now) => {
    const certificate = await withReservation(store, now)
    const options = { now, error: problem('failed'), decision: decisionRecord(now), audit: audit(now) }
    return () => store.certificates.abandon(certificate, options)
  },
  'certificates.revoke': async (store, now) => {
    const certificate = await issueCertificate(store, now)
    return () => revoke(store, certificate, now, 1)
  },
  'crls.lease': async (store, now) => () =>
    store.crls.lease(ISSUER_ID, { owner: 'builder', now, leaseUntil: later(now, SOON) }),
  'crls.publish': async (store, now) => {
    await revoke(store, await issueCertificate(store, now), now)
    await store.crls.lease(ISSUER_ID, { owner: 'builder', now, leaseUntil: later(now, SOON) })
    return () => publish(store, ISSUER_ID, 7n, 1, now)
  },
  'blockedKeys.block': async (store, now) => () =>
    store.blockedKeys.block(anyHex(32), { now, reason: 'keyCompromise', audit: audit(now) }),
  'secrets.getOrCreate': async (store) => () => store.secrets.getOrCreate('secret', () => Buffer.from('value')),
  'limits.take': async (store, now) => () => store.limits.take([{ key: 'k', rule: RULE, least: 1, most: 3 }], now),
  'limits.spend': async (store, now) => () => store.limits.spend([{ key: 'k', rule: RULE, units: 2 }], now),
  'limits.clear': async (store, now) => {
    await store.limits.spend([{ key: 'k', rule: RULE, units: 2 }], now)
    return () => store.limits.clear('k', audit(now))
  },
  'decisions.append': async (store, now) => () => store.decisions.append(decisionRecord(now), audit(now)),
  'policyVersions.record': async (store, now) => () =>
    store.policyVersions.record({ version: 'v1', loadedAt: now, author: 'ann', text: 'version: 1' }, audit(now)),
  'audit.append': async (store, now) => () => store.audit.append([audit(now), audit(now)]),
  'retention.sweep': async (store, now) => {
    const { order } = await withOrder(store, now)
    await store.orders.fail(order.id, { now, error: problem('failed'), audit: audit(now) })
    await store.nonces.spend('old', now)
    const policy = {
      finalOrdersSeconds: 0,
      expiredCertificatesSeconds: 0,
      unusedAccountsSeconds: 0,
      spentEabKeysSeconds: 0,
      auditSeconds: 0,
      decisionsSeconds: 0,
    }
    return () => store.retention.sweep(policy, { now: later(now, hours(24 * 365)), batch: 100 })
  },
  'clock.note': async (store, now) => () => store.clock.note(later(now, SOON)),
  'clock.accept': async (store, now) => {
    await store.clock.note(later(now, hours(1)))
    return () => store.clock.accept(now, audit(now))
  },
  ping: async (store) => () => store.ping(),
  takeOver: async (store, now) => {
    await withJob(store, now)
    await store.crls.lease(ISSUER_ID, { owner: 'dead', now, leaseUntil: later(now, SOON) })
    return () => store.takeOver()
  },
}

/** Every method that writes nothing, on SQLite: where one server is let in at a time, nobody tells that it is there. */
/** Writes of a start and of a restore, which is killed and repeated by the tests of backup and restore. */
export const OF_A_RESTORE: ReadonlySet<string> = new Set([
  'history.beginFirst',
  'recovery.begin',
  'recovery.finish',
  'recovery.importCertificates',
  'recovery.putAccounts',
  'recovery.putCertificates',
  'recovery.putEabKeys',
  'recovery.putRevocations',
])

export const READS: ReadonlySet<string> = new Set([
  'nameGrants.findFor',
  'nameGrants.list',
  'crls.lastNumber',
  'history.changes',
  'history.find',
  'history.lineages',
  'history.newest',
  'history.oldestId',
  'accounts.find',
  'accounts.findByThumbprint',
  'accounts.isAccountKey',
  'eabKeys.accountsOf',
  'eabKeys.find',
  'eabKeys.list',
  'orders.find',
  'orders.get',
  'orders.listIds',
  'authorizations.find',
  'authorizations.findChallenge',
  'authorizations.findReusable',
  'authorizations.findValid',
  'validationJobs.count',
  'certificates.listUnfinished',
  'certificates.listDamaged',
  'certificates.listIssuers',
  'certificates.find',
  'certificates.findBySerial',
  'certificates.findForAccount',
  'crls.latest',
  'crls.pendingSince',
  'crls.revokedEntries',
  'blockedKeys.isBlocked',
  'limits.standing',
  'limits.list',
  'limits.listPauses',
  'audit.findByReference',
  'audit.findProofs',
  'decisions.find',
  'issuedNames.look',
  'decisions.page',
  'policyVersions.find',
  'policyVersions.list',
  'retention.counts',
  'retention.holdsAny',
  'clock.newestSeen',
  'instances.beat',
  'instances.list',
  'instances.leave',
  'pressure',
  'close',
])
