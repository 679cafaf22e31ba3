import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Issuer } from '../../src/issuance/issuer.ts'
import { createRevocation } from '../../src/revocation/create-revocation.ts'
import {
  type CrlPublisher,
  type CrlPublisherDependencies,
  createCrlPublisher,
} from '../../src/revocation/crl-publisher.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import type { SigningKey } from '../../src/signer/signer.ts'
import { SignerError } from '../../src/signer/signer.ts'
import type { CertificateRecord, RevocationReason } from '../../src/store/records.ts'
import { openSqliteStore } from '../../src/store/sqlite/engine.ts'
import type { RetentionPolicy, Store } from '../../src/store/store.ts'
import { parseCertList } from '../../src/x509/crl-reader.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { PROFILE } from '../support/order-facts.ts'
import { RecordingLogger, RecordingMetrics } from '../support/recorders.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { openTestStore } from '../support/store.ts'
import { makeTestAuthority, type TestAuthority } from '../support/test-authority.ts'

const DAY = 86_400
const audit = (at: Date) => ({ at, event: 'test', data: {} })

class GaugeMetrics extends RecordingMetrics {
  readonly gauges = new Map<string, number>()
  override set: RecordingMetrics['set'] = (name, value, labels = {}) => {
    this.gauges.set([name, ...Object.values(labels)].join(' '), value)
  }
}

class RevocationWorld {
  readonly clock = new FakeClock()
  readonly log = new RecordingLogger()
  readonly metrics = new GaugeMetrics()
  readonly random: SeededRandom
  readonly authority: TestAuthority
  readonly path: string
  store: Store

  private constructor(parts: { authority: TestAuthority; store: Store; path: string; seed: string }) {
    this.authority = parts.authority
    this.store = parts.store
    this.path = parts.path
    this.random = new SeededRandom(parts.seed)
  }

  static async open(t: TestContext, wrapKey?: (key: SigningKey) => SigningKey): Promise<RevocationWorld> {
    const clock = new FakeClock()
    const { store, path, cleanup } = await openTestStore(clock)
    t.after(cleanup)
    const authority = await makeTestAuthority({ now: clock.now(), ...(wrapKey === undefined ? {} : { wrapKey }) })
    return new RevocationWorld({ authority, store, path, seed: t.name })
  }

  get issuer(): Issuer {
    return this.authority.issuer
  }

  publisher(replaced: Partial<CrlPublisherDependencies> = {}): CrlPublisher {
    return createCrlPublisher({
      store: this.store,
      issuers: new Map([[this.issuer.name, this.issuer]]),
      clock: this.clock,
      random: this.random,
      log: this.log,
      metrics: this.metrics,
      crlLifetimeSeconds: DAY,
      rebuildWithinSeconds: 30,
      ...replaced,
    })
  }

  revocation(publisher: { notify(issuerId: string): void } = { notify: () => undefined }): Revocation {
    return createRevocation({ store: this.store, clock: this.clock, log: this.log, metrics: this.metrics, publisher })
  }

  /** An issued certificate in the store; its bytes do not matter here. */
  async certificate(
    options: { lifetimeSeconds?: number; issuerId?: string; serial?: string; issued?: boolean } = {},
  ): Promise<CertificateRecord> {
    const now = this.clock.now()
    const record: CertificateRecord = {
      serial: options.serial ?? `5a${this.random.bytes(16).toString('hex')}`,
      issuerId: options.issuerId ?? this.issuer.id,
      identifiers: [{ type: 'dns', value: 'www.corp.test' }],
      profile: PROFILE,
      spkiSha256: this.random.bytes(32).toString('hex'),
      notBefore: now,
      notAfter: new Date(now.getTime() + (options.lifetimeSeconds ?? DAY) * 1000 - 1000),
      tbsDer: Buffer.of(0x30, 0),
      reservedAt: now,
    }
    assert.equal(await this.store.certificates.begin(record, { now, audit: audit(now) }), 'begun')
    if (options.issued !== false) {
      assert.equal(
        await this.store.certificates.complete(record, { certificateDer: Buffer.of(0x30, 0), now, audit: audit(now) }),
        'completed',
      )
    }
    return record
  }

  async revoke(record: CertificateRecord, reason: RevocationReason = 4, provedKey = false): Promise<string> {
    const { issuerId, serial } = record
    return (await this.revocation().revoke({ issuerId, serial, reason, provedKey, requestId: 'req', by: 'operator' }))
      .outcome
  }

  /** What relying parties read: serial to reason, from the newest stored list, after verifying it. */
  async listed(issuer = this.issuer): Promise<Map<string, number>> {
    const latest = await this.store.crls.latest(issuer.id)
    assert.ok(latest, 'there is no CRL')
    const crl = parseCertList(latest.crlDer)
    assert.ok(verifySignature(crl, issuer.certificate.publicKey))
    assert.equal(crl.number, latest.number)
    return new Map([...crl.entries()].map(({ serial, reason }) => [serial, reason]))
  }

  async number(): Promise<bigint> {
    return (await this.store.crls.latest(this.issuer.id))?.number ?? -1n
  }

  builds(): number {
    return this.metrics.counts.get('chancery_crl_builds_total published') ?? 0
  }
}

/** Waits for work that is under way on other threads; what it ends in is asserted, not how long it takes. */
async function eventually(check: () => Promise<boolean> | boolean): Promise<void> {
  for (let attempt = 0; attempt < 2000; attempt++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.fail('it did not come about')
}

test('a first list exists before anything was revoked, and is empty', async (t) => {
  const world = await RevocationWorld.open(t)
  await world.publisher().buildDue()
  assert.equal((await world.listed()).size, 0)
  await world.publisher().buildDue()
  assert.equal(world.builds(), 1, 'a fresh list is not built again')
})

test('KF-D06 KF-D07 a revoked certificate is listed with its reason; unspecified has none; a key compromise raises it', async (t) => {
  const world = await RevocationWorld.open(t)
  const publisher = world.publisher()
  const [unspecified, superseded] = [await world.certificate(), await world.certificate()]
  assert.equal(await world.revoke(unspecified, 0), 'revoked')
  assert.equal(await world.revoke(superseded, 4), 'revoked')
  await publisher.buildDue()
  assert.deepEqual(
    await world.listed(),
    new Map(
      [
        [unspecified.serial, 0],
        [superseded.serial, 4],
      ].sort() as [string, number][],
    ),
  )

  assert.equal(
    await world.revoke(superseded, 1, false),
    'already',
    'whoever does not prove the key cannot raise the reason',
  )
  assert.equal(await world.revoke(superseded, 5, true), 'already')
  assert.equal(await world.revoke(superseded, 1, true), 'raised')
  assert.equal(await world.revoke(superseded, 1, true), 'already')
  assert.ok(await world.store.blockedKeys.isBlocked(superseded.spkiSha256))
  await publisher.buildDue()
  assert.equal((await world.listed()).get(superseded.serial), 1)
})

test('KF-D08 two issuers with the same serial: only the one that was revoked is listed, on its own list', async (t) => {
  const world = await RevocationWorld.open(t)
  const second = (await makeTestAuthority({ name: 'second', now: world.clock.now() })).issuer
  const serial = '5a00000000000000000000000000000001'
  await world.certificate({ serial })
  const theirs = await world.certificate({ serial, issuerId: second.id })
  const publisher = world.publisher({
    issuers: () =>
      new Map([
        ['default', world.issuer],
        ['second', second],
      ]),
  })
  assert.equal(await world.revoke(theirs), 'revoked')
  await publisher.buildDue()
  assert.equal((await world.listed()).size, 0)
  assert.deepEqual([...(await world.listed(second)).keys()], [serial])
})

test('KF-C23 serials far above 2^53, and of every length, reach the list digit for digit', async (t) => {
  const world = await RevocationWorld.open(t)
  const serials = ['01', '7f', '0080', `7f${'ff'.repeat(19)}`, '20000000000001', '0a00000000000000000000000000000001']
  for (const serial of serials) assert.equal(await world.revoke(await world.certificate({ serial })), 'revoked')
  await world.publisher().buildDue()
  assert.deepEqual([...(await world.listed()).keys()].sort(), serials.sort())
  for (const serial of serials) {
    assert.deepEqual(
      (await world.store.certificates.findBySerial(serial)).map((record) => record.serial),
      [serial],
    )
  }
})

test('KF-D09 what was never issued cannot be revoked: unknown serials, reservations, given up ones', async (t) => {
  const world = await RevocationWorld.open(t)
  const reserved = await world.certificate({ issued: false })
  assert.equal(await world.revoke(reserved), 'unknown')
  assert.equal(await world.revoke({ ...reserved, serial: '5aff' }), 'unknown')
  const now = world.clock.now()
  await world.store.certificates.abandon(reserved, {
    now,
    error: { type: 'serverInternal', status: 500, detail: 'x' },
    audit: audit(now),
  })
  assert.equal(await world.revoke(reserved), 'unknown')
})

test('KF-D02 KF-D04 an entry stays until it was on one list made after its end, to the second, and no longer', async (t) => {
  const world = await RevocationWorld.open(t)
  // A list that lives two seconds is due again after one.
  const publisher = world.publisher({ crlLifetimeSeconds: 2 })
  const record = await world.certificate({ lifetimeSeconds: 3600 })
  await world.revoke(record)
  await publisher.buildDue()
  assert.ok((await world.listed()).has(record.serial))
  await world.clock.advance(3598_000)
  const listed: boolean[] = []
  for (let second = -1; second <= 2; second++) {
    await publisher.buildDue()
    const { thisUpdate } = (await publisher.latest(world.issuer.id)) ?? assert.fail()
    assert.equal(thisUpdate.getTime() - record.notAfter.getTime(), second * 1000)
    listed.push((await world.listed()).has(record.serial))
    await world.clock.advance(1000)
  }
  assert.deepEqual(listed, [true, true, true, false])
})

test('KF-D01 the list equals a naive oracle after any mix of revoking, expiring, tidying and restarting', async (t) => {
  const world = await RevocationWorld.open(t)
  let publisher = world.publisher()
  const keepNothing: RetentionPolicy = {
    finalOrdersSeconds: 1,
    expiredCertificatesSeconds: 1,
    unusedAccountsSeconds: 1,
    spentEabKeysSeconds: 1,
    auditSeconds: 1,
    decisionsSeconds: 1,
  }
  /** Everything ever revoked, never forgotten; `done` once a list made after its end has named it as it stands. */
  const oracle = new Map<string, { record: CertificateRecord; reason: number; done: boolean }>()
  let alive: CertificateRecord[] = []
  let lastNumber = -1n
  const pick = (below: number): number => world.random.bytes(4).readUInt32BE() % below

  const build = async (): Promise<void> => {
    await publisher.buildDue()
    const number = await world.number()
    if (number === lastNumber) return
    assert.ok(number > lastNumber)
    lastNumber = number
    const expected = [...oracle.values()].filter(({ done }) => !done)
    const listed = await world.listed()
    assert.deepEqual(
      listed,
      new Map(
        expected
          .map(({ record, reason }): [string, number] => [record.serial, reason])
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
    )
    const { thisUpdate } = (await world.store.crls.latest(world.issuer.id)) ?? assert.fail()
    for (const entry of expected) entry.done = thisUpdate > entry.record.notAfter
  }

  for (let step = 0; step < 300; step++) {
    const now = world.clock.now()
    switch (pick(8)) {
      case 0:
      case 1:
        alive.push(await world.certificate({ lifetimeSeconds: 600 + pick(2 * DAY) }))
        break
      case 2:
      case 3: {
        const record = alive[pick(Math.max(1, alive.length))]
        if (record === undefined || oracle.has(record.serial)) break
        const reason = ([0, 3, 4, 5] as const)[pick(4)] ?? 0
        if ((await world.revoke(record, reason)) === 'revoked')
          oracle.set(record.serial, { record, reason, done: false })
        break
      }
      case 4: {
        const known = [...oracle.values()].filter(({ done }) => !done)
        const entry = known[pick(Math.max(1, known.length))]
        if (entry === undefined) break
        if ((await world.revoke(entry.record, 1, true)) === 'raised') entry.reason = 1
        break
      }
      case 5:
        await world.clock.advance(pick(6 * 3600) * 1000)
        break
      case 6:
        await world.store.retention.sweep(keepNothing, { now, batch: 50 })
        alive = alive.filter((record) => record.notAfter > now)
        break
      default:
        if (pick(10) === 0) {
          await world.store.close()
          world.store = await openSqliteStore({ path: world.path, clock: world.clock })
          const { store } = world
          t.after(() => store.close())
          // The former process may have died holding the lease.
          await world.clock.advance(60_000)
          publisher = world.publisher()
        }
        await build()
    }
  }
  await world.clock.advance(13 * 3600 * 1000)
  await build()
  assert.ok(oracle.size > 10 && world.builds() > 10, 'the mix was too thin to mean anything')
})

test('KF-D05 two publishers at once build one list, and numbers only rise', async (t) => {
  const world = await RevocationWorld.open(t)
  const publishers = [world.publisher(), world.publisher(), world.publisher()]
  await Promise.all(publishers.map((publisher) => publisher.buildDue()))
  assert.equal(world.builds(), 1)
  let last = await world.number()
  for (let round = 0; round < 5; round++) {
    await world.revoke(await world.certificate())
    await world.clock.advance(31_000)
    await Promise.all(publishers.map((publisher) => publisher.buildDue()))
    const number = await world.number()
    assert.ok(number > last)
    last = number
    assert.equal((await world.listed()).size, round + 1)
  }
  assert.equal(world.builds(), 6)
})

test('KF-D11 the running publisher replaces a list at half of its life, and the gauge follows', async (t) => {
  const world = await RevocationWorld.open(t)
  const publisher = world.publisher()
  publisher.start()
  publisher.start()
  await eventually(() => world.builds() === 1)
  const gauge = 'chancery_crl_next_update_timestamp_seconds default'
  const first = await publisher.latest(world.issuer.id)
  assert.equal(world.metrics.gauges.get(gauge), (first?.nextUpdate.getTime() ?? 0) / 1000)
  world.clock.setWall(new Date(world.clock.now().getTime() + 12 * 3600 * 1000))
  await eventually(async () => {
    await world.clock.advance(15_000)
    return world.builds() === 2
  })
  const latest = await publisher.latest(world.issuer.id)
  assert.ok(latest && latest.nextUpdate.getTime() - world.clock.now().getTime() > 0.9 * DAY * 1000)
  await publisher.stop()
  assert.equal(world.clock.sleeping, 0)
})

test('KF-D11 while the signer is away nothing bad is published, the failure is told, and the list comes when it is back', async (t) => {
  let away = false
  const world = await RevocationWorld.open(t, (key) => ({
    spkiDer: key.spkiDer,
    algorithm: key.algorithm,
    sign: (message) => (away ? Promise.reject(new SignerError('UNAVAILABLE', 'no token')) : key.sign(message)),
  }))
  const publisher = world.publisher()
  await publisher.buildDue()
  const before = await world.number()
  const record = await world.certificate()
  await world.revoke(record)
  away = true
  await publisher.buildDue()
  assert.equal(await world.number(), before)
  assert.equal(world.metrics.counts.get('chancery_crl_builds_total failed'), 1)
  assert.equal(world.log.of('crl.build-failed').length, 1)
  away = false
  await publisher.buildDue()
  assert.ok((await world.listed()).has(record.serial))
})

test('KF-D13 a thousand revocations need few lists and are all named within the promised time', async (t) => {
  const world = await RevocationWorld.open(t)
  const records = await Promise.all(Array.from({ length: 1000 }, () => world.certificate()))
  const publisher = world.publisher()
  publisher.start()
  await eventually(() => world.builds() === 1)
  const revocation = world.revocation(publisher)
  const began = world.clock.monotonicMs()
  for (let batch = 0; batch < 10; batch++) {
    await Promise.all(
      records
        .slice(batch * 100, batch * 100 + 100)
        .map(({ issuerId, serial }) =>
          revocation.revoke({ issuerId, serial, reason: 4, provedKey: false, requestId: 'req', by: 'operator' }),
        ),
    )
    await world.clock.advance(100)
  }
  await eventually(async () => {
    if ((await world.listed()).size === 1000) return true
    if (world.clock.monotonicMs() - began < 30_000) await world.clock.advance(500)
    return false
  })
  assert.ok(world.clock.monotonicMs() - began <= 31_000)
  assert.ok(world.builds() <= 4, `${world.builds()} lists`)
  await publisher.stop()
})

test('a revocation made here is listed after a second or two when no list was made just now, however long the promise', async (t) => {
  const world = await RevocationWorld.open(t)
  const publisher = world.publisher({ rebuildWithinSeconds: 3600 })
  publisher.start()
  await eventually(() => world.builds() === 1)
  await world.clock.advance(1800_000)
  const record = await world.certificate()
  const began = world.clock.monotonicMs()
  await world.revocation(publisher).revoke({ ...record, reason: 1, provedKey: false, requestId: 'req', by: 'operator' })
  await eventually(async () => {
    if ((await world.listed()).has(record.serial)) return true
    if (world.clock.monotonicMs() - began < 5_000) await world.clock.advance(500)
    return false
  })
  await publisher.stop()
})

test('KF-D11 a revocation under an issuing CA whose key is not here is told to the operator, for no list will name it', async (t) => {
  const world = await RevocationWorld.open(t)
  const publisher = world.publisher()
  const [here, elsewhere] = [await world.certificate(), await world.certificate({ issuerId: 'ab'.repeat(20) })]
  for (const record of [here, elsewhere]) {
    const request = { ...record, reason: 4, provedKey: false, requestId: 'req', by: 'operator' } as const
    assert.equal((await world.revocation(publisher).revoke(request)).outcome, 'revoked')
  }
  assert.deepEqual(
    world.log.of('crl.no-issuer').map(({ issuerId }) => issuerId),
    [elsewhere.issuerId],
  )
})

test('a revocation made by another process is found without being told', async (t) => {
  const world = await RevocationWorld.open(t)
  const publisher = world.publisher()
  publisher.start()
  await eventually(() => world.builds() === 1)
  const record = await world.certificate()
  await world.revoke(record)
  await eventually(async () => {
    await world.clock.advance(5_000)
    return (await world.listed()).has(record.serial)
  })
  await publisher.stop()
})

test('KF-D10 a revocation is in the audit trail with who, why and when, in whole seconds', async (t) => {
  const world = await RevocationWorld.open(t)
  const record = await world.certificate()
  world.clock.setWall(new Date(world.clock.now().getTime() + 789))
  await world.revoke(record, 5)
  const [event] = (await world.store.audit.findByReference(record.serial, 5)).filter(
    ({ event }) => event === 'certificate.revoked',
  )
  assert.deepEqual(event?.data, {
    issuerId: world.issuer.id,
    reason: 'cessationOfOperation',
    by: 'operator',
    provedKey: false,
  })
  const stored = await world.store.certificates.find(world.issuer.id, record.serial)
  assert.equal((stored?.revokedAt?.getTime() ?? 1) % 1000, 0)
})
