import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import type { EnrollmentDependencies } from '../../src/enrollment/dependencies.ts'
import { RESUME_LIMIT_SECONDS } from '../../src/issuance/resume-limit.ts'
import { SIGN_DEADLINE_MS, withDeadline } from '../../src/signer/deadline.ts'
import type { SigningKey } from '../../src/signer/signer.ts'
import { SignerError } from '../../src/signer/signer.ts'
import { openSqliteStore } from '../../src/store/sqlite/engine.ts'
import type { CertificateStore, Store } from '../../src/store/store.ts'
import { parseTbsCertificate } from '../../src/x509/certificate.ts'
import { EnrollmentWorld } from '../support/enrollment-world.ts'
import { FakeClock } from '../support/fake-clock.ts'

/** The signing half of an authority as a recorder: every message that the key ever signed. */
class WatchedKey {
  readonly signed: Buffer[] = []
  /** Thrown before the key is used. */
  before: Error | undefined
  /** Thrown after it was used: the answer is lost on the way. */
  after: Error | undefined
  /** What the next signature waits for, and how many wait. */
  hold: Promise<void> | undefined
  held = 0
  /** Instead of the true signature. */
  lie: Buffer | undefined

  wrap = (key: SigningKey): SigningKey => ({
    spkiDer: key.spkiDer,
    algorithm: key.algorithm,
    sign: async (message) => {
      if (this.before !== undefined) throw this.before
      if (this.hold !== undefined) {
        this.held++
        await this.hold
      }
      this.signed.push(Buffer.from(message))
      const signature = await key.sign(message)
      if (this.after !== undefined) throw this.after
      return this.lie ?? signature
    },
  })
}

type Writes = 'begin' | 'complete' | 'abandon'

/** A store whose named write fails: `lost` never arrives, `landed` arrives and is reported as failed all the same. */
function breaking(
  store: Store,
  method: Writes,
  how: 'lost' | 'landed',
): Pick<Store, 'accounts' | 'orders' | 'certificates' | 'blockedKeys' | 'decisions'> {
  const certificates = new Proxy(store.certificates, {
    get(target, name) {
      const real = Reflect.get(target, name)
      if (name !== method || typeof real !== 'function') return real
      return async (...args: unknown[]) => {
        if (how === 'landed') await Reflect.apply(real, target, args)
        throw new Error(`${method} failed (${how})`)
      }
    },
  }) as CertificateStore
  const { accounts, orders, blockedKeys, decisions } = store
  return { accounts, orders, certificates, blockedKeys, decisions }
}

async function openWatched(t: TestContext): Promise<{ world: EnrollmentWorld; key: WatchedKey }> {
  const key = new WatchedKey()
  return { world: await EnrollmentWorld.open(t, { wrapKey: key.wrap }), key }
}

/** The process ends and comes back: another store object over the same file, another enrollment without memory. */
async function restart(
  t: TestContext,
  world: EnrollmentWorld,
): Promise<{ store: Store; dependencies: Partial<EnrollmentDependencies> }> {
  await world.store.close()
  const store = await openSqliteStore({ path: world.testStore.path, clock: world.clock })
  t.after(() => store.close())
  return { store, dependencies: { store } }
}

/** What must hold however it ended: the store knows every serial that was signed, with the very bytes. */
async function assertEverySignatureIsKnown(key: WatchedKey, store: Store, issuerId: string): Promise<void> {
  for (const message of key.signed) {
    const record = await store.certificates.find(issuerId, parseTbsCertificate(message).serialHex)
    assert.ok(record, 'a serial was signed that the store does not know')
    assert.ok(record.tbsDer.equals(message), 'other bytes were signed than were stored')
  }
}

const steps: readonly {
  readonly name: string
  readonly method: Writes
  readonly how: 'lost' | 'landed'
  readonly signedBefore: number
}[] = [
  { name: 'before the intent was stored', method: 'begin', how: 'lost', signedBefore: 0 },
  {
    name: 'after the intent was stored and before its commit was confirmed',
    method: 'begin',
    how: 'landed',
    signedBefore: 0,
  },
  { name: 'after signing and before the certificate was stored', method: 'complete', how: 'lost', signedBefore: 1 },
  {
    name: 'after the certificate was stored and before its commit was confirmed',
    method: 'complete',
    how: 'landed',
    signedBefore: 1,
  },
]

for (const { name, method, how, signedBefore } of steps) {
  test(`KF-E01 a crash ${name} leaves one certificate, with every signature accounted for`, async (t) => {
    const { world, key } = await openWatched(t)
    const request = await world.readyOrder()
    const orderId = request.order?.id ?? ''
    const enrollment = world.enrollment({ store: breaking(world.store, method, how) })
    const outcome = await enrollment.enroll(request).then(
      (result) => result.outcome,
      () => 'threw',
    )
    assert.equal(outcome, method === 'begin' ? 'threw' : 'processing')
    assert.equal(key.signed.length, signedBefore)

    const { store, dependencies } = await restart(t, world)
    await world.clock.advance(31_000)
    const again = world.enrollment(dependencies)
    await again.resume()
    if (method === 'begin' && how === 'lost') {
      // Nothing was claimed: the client's next finalize goes through as if it were the first.
      assert.equal((await again.enroll(request)).outcome, 'issued')
    }
    const order = (await store.orders.get(orderId as never))?.order
    const serial = order?.certificateSerial
    assert.ok(serial !== undefined, 'the order must have its certificate')
    const record = await store.certificates.find(world.issuer.id, serial)
    assert.ok(record?.certificateDer)
    assert.equal(order?.failedAt, undefined)
    assert.equal(new Set(key.signed.map((message) => parseTbsCertificate(message).serialHex)).size, 1)
    await assertEverySignatureIsKnown(key, store, world.issuer.id)
    assert.equal(await again.resume(), 0)
  })
}

test('KF-E01 a crash while the key was at work is finished after the restart under the same serial', async (t) => {
  const { world, key } = await openWatched(t)
  const request = await world.readyOrder()
  key.after = new SignerError('UNAVAILABLE', 'the answer was lost')
  assert.deepEqual(await world.enrollment().enroll(request), { outcome: 'processing' })
  assert.ok((await world.order(request.order?.id ?? '')).processingAt)

  const { store, dependencies } = await restart(t, world)
  key.after = undefined
  const again = world.enrollment(dependencies)
  assert.equal(await again.resume(), 0, 'a young reservation may be somebody else at work')
  await world.clock.advance(31_000)
  assert.equal(await again.resume(), 1)
  assert.equal(key.signed.length, 2)
  assert.ok(key.signed[0]?.equals(key.signed[1] ?? Buffer.alloc(0)), 'resumed work signs the stored bytes')
  await assertEverySignatureIsKnown(key, store, world.issuer.id)
})

test('KF-E13 a process that is known to be alone finishes at once what those before it left, and not its own', async (t) => {
  const { world, key } = await openWatched(t)
  const left = await world.readyOrder()
  key.after = new SignerError('UNAVAILABLE', 'the process died here')
  assert.deepEqual(await world.enrollment().enroll(left), { outcome: 'processing' })

  const { store, dependencies } = await restart(t, world)
  await world.clock.advance(1)
  const again = world.enrollment(dependencies)
  key.after = new SignerError('UNAVAILABLE', 'for a moment')
  const own = await world.readyOrder({ store })
  assert.deepEqual(await again.enroll(own), { outcome: 'processing' })
  key.after = undefined
  assert.equal(await again.resume({ noOthers: true }), 1)
  assert.equal(await again.resume(), 0, 'its own may still be at work')
})

test('KF-E13 a signer that never comes back ends the order with an error after an hour, not never', async (t) => {
  const { world, key } = await openWatched(t)
  const request = await world.readyOrder()
  key.before = new SignerError('UNAVAILABLE', 'no token in the slot')
  const enrollment = world.enrollment()
  assert.deepEqual(await enrollment.enroll(request), { outcome: 'processing' })
  await world.clock.advance(60_000)
  assert.equal(await enrollment.resume(), 0)
  assert.equal((await world.order(request.order?.id ?? '')).failedAt, undefined)
  await world.clock.advance(RESUME_LIMIT_SECONDS * 1000)
  assert.equal(await enrollment.resume(), 1)
  const order = await world.order(request.order?.id ?? '')
  assert.equal(order.error?.type, 'serverInternal')
  assert.doesNotMatch(order.error?.detail ?? '', /slot/)
  assert.equal(await enrollment.resume(), 0)
})

test('KF-E13 a signer that hangs is away: the order stays recoverable, one pass asks it once, and nothing is signed twice', async (t) => {
  const key = new WatchedKey()
  const clock = new FakeClock()
  const world = await EnrollmentWorld.open(t, { wrapKey: (inner) => withDeadline(key.wrap(inner), clock) })
  let release = (): void => undefined
  key.hold = new Promise((resolve) => {
    release = resolve
  })
  const requests = [await world.readyOrder(), await world.readyOrder(), await world.readyOrder()]
  const enrollment = world.enrollment()
  const running = requests.map((request) => enrollment.enroll(request))
  while (key.held < requests.length) await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(SIGN_DEADLINE_MS)
  assert.deepEqual(
    await Promise.all(running),
    requests.map(() => ({ outcome: 'processing' })),
  )

  await world.clock.advance(60_000)
  const pass = enrollment.resume()
  while (key.held < requests.length + 1) await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(SIGN_DEADLINE_MS)
  assert.equal(await pass, 0)
  assert.equal(key.held, requests.length + 1, 'one pass asks a key that is away once')

  // It comes back, and answers everybody who ever asked; only what is asked now counts.
  key.hold = undefined
  release()
  assert.equal(await enrollment.resume(), 3)
  const serials = new Set<string>()
  for (const { order } of requests) serials.add((await world.order(order?.id ?? '')).certificateSerial ?? '')
  assert.equal(serials.size, 3)
  assert.deepEqual(new Set(key.signed.map((message) => parseTbsCertificate(message).serialHex)), serials)
  for (const serial of serials) {
    const events = await world.store.audit.findByReference(serial, 10)
    assert.equal(events.filter(({ event }) => event === 'certificate.issued').length, 1)
  }
})

test('KF-G01 a key that is gone for good fails the order at once', async (t) => {
  const { world, key } = await openWatched(t)
  const request = await world.readyOrder()
  key.before = new SignerError('KEY_NOT_FOUND', 'the key was deleted')
  assert.deepEqual(await world.enrollment().enroll(request), { outcome: 'failed' })
  assert.equal((await world.order(request.order?.id ?? '')).error?.type, 'serverInternal')
})

test('KF-E12 a signer that answers with another signature releases nothing', async (t) => {
  const { world, key } = await openWatched(t)
  const request = await world.readyOrder()
  key.lie = Buffer.from('3006020101020101', 'hex')
  assert.deepEqual(await world.enrollment().enroll(request), { outcome: 'failed' })
  const order = await world.order(request.order?.id ?? '')
  assert.equal(order.certificateSerial, undefined)
  assert.equal(order.error?.type, 'serverInternal')
  assert.equal(await world.enrollment().resume(), 0)
})

test('KF-D09 a reservation that was given up keeps its serial and is no certificate', async (t) => {
  const { world, key } = await openWatched(t)
  key.lie = Buffer.from('00', 'hex')
  await world.enrollment().enroll(await world.readyOrder())
  const serial = parseTbsCertificate(key.signed[0] ?? Buffer.alloc(0)).serialHex
  const record = await world.store.certificates.find(world.issuer.id, serial)
  assert.ok(record?.abandonedAt)
  assert.deepEqual(await world.store.certificates.findBySerial(serial), [])
})

test('KF-E12 KF-E13 a reservation that was damaged on disk is never signed: its order fails, log and audit say why, and others go on', async (t) => {
  const { world, key } = await openWatched(t)
  key.before = new SignerError('UNAVAILABLE', 'away')
  const [damaged, whole] = [await world.readyOrder(), await world.readyOrder()]
  for (const request of [damaged, whole]) await world.enrollment().enroll(request)
  const { store, dependencies } = await restart(t, world)
  const database = new DatabaseSync(world.testStore.path)
  const flip = 'UPDATE certificates SET tbs_der = ? WHERE order_id = ? RETURNING serial'
  const serial = String(database.prepare(flip).get(Buffer.from('evil'), damaged.order?.id ?? '')?.['serial'])
  database.close()

  key.before = undefined
  await world.clock.advance(60_000)
  assert.equal(await world.enrollment(dependencies).resume(), 2)
  const ended = (await store.orders.get(damaged.order?.id ?? ('' as never)))?.order
  assert.equal(ended?.error?.type, 'serverInternal')
  assert.equal(ended?.certificateSerial, undefined)
  assert.ok((await store.orders.get(whole.order?.id ?? ('' as never)))?.order.certificateSerial)
  assert.equal(key.signed.length, 1)
  const [event] = (await store.audit.findByReference(serial, 10)).filter(({ event }) => event.endsWith('abandoned'))
  assert.match(String(event?.data['reason']), /certificates\.tbs_der of \w+ was changed after it was stored/)
  assert.equal(world.log.of('certificate.reservation-damaged')[0]?.['serial'], serial)
})

for (const [what, change] of [
  [
    'policy says no by then',
    (_: EnrollmentWorld) =>
      Promise.resolve({
        policyFor: () => ({
          decide: async () => ({
            outcome: 'deny' as const,
            reasons: [{ rule: 'r', code: 'name-denied' as const, detail: 'denied' }],
          }),
        }),
      }),
  ],
  [
    'the key was blocked meanwhile',
    async (world: EnrollmentWorld, spkiSha256: string) => {
      const now = world.clock.now()
      await world.store.blockedKeys.block(spkiSha256, {
        now,
        reason: 'keyCompromise',
        audit: { at: now, event: 'key.blocked', data: {} },
      })
      return {}
    },
  ],
  [
    'the account ended meanwhile',
    async (world: EnrollmentWorld) => {
      const now = world.clock.now()
      await world.store.accounts.deactivate('default', world.account.id, {
        now,
        error: { type: 'unauthorized', status: 403, detail: 'ended' },
        audit: { at: now, event: 'account.deactivated', data: {} },
      })
      return {}
    },
  ],
] as const) {
  test(`KF-E13 unfinished work is given up, unsigned, when ${what}`, async (t) => {
    const { world, key } = await openWatched(t)
    const request = await world.readyOrder()
    key.before = new SignerError('UNAVAILABLE', 'away')
    await world.enrollment().enroll(request)
    const replaced: Partial<EnrollmentDependencies> = await change(world, request.publicKey.sha256)
    key.before = undefined
    await world.clock.advance(60_000)
    assert.equal(await world.enrollment(replaced).resume(), 1)
    assert.equal(key.signed.length, 0)
    assert.ok((await world.order(request.order?.id ?? '')).failedAt)
  })
}

test('two processes that resume the same work release one certificate, and both report the stored one', async (t) => {
  const { world, key } = await openWatched(t)
  const request = await world.readyOrder()
  key.before = new SignerError('UNAVAILABLE', 'away')
  await world.enrollment().enroll(request)
  key.before = undefined
  await world.clock.advance(60_000)
  await Promise.all([world.enrollment().resume(), world.enrollment().resume()])
  const { certificateSerial } = await world.order(request.order?.id ?? '')
  assert.ok(certificateSerial)
  const events = await world.store.audit.findByReference(certificateSerial, 10)
  assert.equal(events.filter(({ event }) => event === 'certificate.issued').length, 1)
})

for (const [ending, expected] of [
  ['finished', 'issued'],
  ['given up', 'failed'],
] as const) {
  test(`KF-E01 a signature that comes after another process has ${ending} the reservation is not handed out`, async (t) => {
    const { world, key } = await openWatched(t)
    const request = await world.readyOrder()
    let release = (): void => undefined
    key.hold = new Promise((resolve) => {
      release = resolve
    })
    const slow = world.enrollment().enroll(request)
    while (key.held === 0) await new Promise((resolve) => setImmediate(resolve))
    key.hold = undefined
    await world.clock.advance(31_000)
    if (ending === 'finished') assert.equal(await world.enrollment().resume(), 1)
    else {
      await world.clock.advance(RESUME_LIMIT_SECONDS * 1000)
      assert.equal(await world.enrollment().resume(), 1)
    }
    release()
    const result = await slow
    assert.equal(result.outcome, expected)
    const serial = parseTbsCertificate(key.signed[0] ?? Buffer.alloc(0)).serialHex
    const stored = await world.store.certificates.find(world.issuer.id, serial)
    if (result.outcome === 'issued') {
      assert.ok(stored?.certificateDer)
      assert.deepEqual(result.certificate.certificateDer, stored.certificateDer, 'two certificates of one serial')
    } else assert.equal(stored?.certificateDer, undefined)
  })
}

test('a store that cannot record the end of failed work keeps the order processing, and it ends later', async (t) => {
  const { world, key } = await openWatched(t)
  const request = await world.readyOrder()
  key.lie = Buffer.from('00', 'hex')
  const result = await world.enrollment({ store: breaking(world.store, 'abandon', 'lost') }).enroll(request)
  assert.deepEqual(result, { outcome: 'processing' })
  key.lie = undefined
  await world.clock.advance(60_000)
  assert.equal(await world.enrollment().resume(), 1)
  assert.ok((await world.order(request.order?.id ?? '')).certificateSerial)
})
