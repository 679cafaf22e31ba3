import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { EnrollmentRequest } from '../../src/enrollment/enrollment.ts'
import type { Policy } from '../../src/policy/decision.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { parseSubjectPublicKey } from '../../src/x509/spki.ts'
import { EnrollmentWorld, freshPublicKey, TEST_POLICY } from '../support/enrollment-world.ts'
import { PROFILE } from '../support/order-facts.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { generateTestKey } from '../support/test-keys.ts'

test('a ready order becomes a certificate that its issuer signed, for its names and its key', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder({
    identifiers: [
      { type: 'dns', value: 'b.corp.test' },
      { type: 'dns', value: '*.corp.test' },
      { type: 'ip', value: '10.1.2.3' },
    ],
  })
  const result = await world.enrollment().enroll(request)
  assert.equal(result.outcome, 'issued')
  assert.ok(result.outcome === 'issued' && result.certificate.certificateDer)
  const x509 = new X509Certificate(result.certificate.certificateDer)
  assert.equal(x509.subjectAltName, 'DNS:b.corp.test, DNS:*.corp.test, IP Address:10.1.2.3')
  assert.equal(x509.ca, false)
  assert.ok(x509.verify(world.issuer.certificate.publicKey.key))
  assert.ok(x509.publicKey.equals(request.publicKey.key))

  const stored = await world.store.certificates.find(world.issuer.id, result.certificate.serial)
  assert.deepEqual(stored, result.certificate)
  const order = await world.order(request.order?.id ?? '')
  assert.equal(order.certificateSerial, result.certificate.serial)
  const events = await world.store.audit.findByReference(result.certificate.serial, 10)
  assert.deepEqual(
    events.map(({ event }) => event),
    ['certificate.intended', 'certificate.issued'],
  )
  assert.equal(world.authority.signatures(), 1)
})

test('the server gets its own certificate by the same road, without an order', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request: EnrollmentRequest = {
    requestId: 'req_own',
    requester: { kind: 'server' },
    identifiers: [{ type: 'dns', value: 'ca.internal' }],
    publicKey: freshPublicKey(),
    profile: PROFILE,
  }
  const result = await world.enrollment().enroll(request)
  assert.ok(result.outcome === 'issued')
  assert.equal(result.certificate.accountId, undefined)
})

test('KF-E04 fifty finalizes at once make one certificate', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder()
  const enrollment = world.enrollment()
  const results = await Promise.all(Array.from({ length: 50 }, () => enrollment.enroll(request)))
  const outcomes = results.map(({ outcome }) => outcome)
  assert.equal(outcomes.filter((outcome) => outcome === 'issued').length, 1)
  assert.equal(outcomes.filter((outcome) => outcome === 'not-ready').length, 49)
  assert.equal(world.authority.signatures(), 1)
})

test('KF-C02 a generator that repeats itself makes no second certificate of one serial', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const first = await world.readyOrder()
  const second = await world.readyOrder()
  const issued = await world.enrollment({ random: new SeededRandom('same') }).enroll(first)
  // The same seed again: the first serial is taken, the next one is free.
  const again = await world.enrollment({ random: new SeededRandom('same') }).enroll(second)
  assert.ok(issued.outcome === 'issued' && again.outcome === 'issued')
  assert.notEqual(issued.certificate.serial, again.certificate.serial)
})

test('KF-C02 a generator that only ever gives one value stops issuing and leaves the order ready', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const stuck = { bytes: (count: number) => Buffer.alloc(count, 0x42) }
  const enrollment = world.enrollment({ random: stuck })
  assert.equal((await enrollment.enroll(await world.readyOrder())).outcome, 'issued')
  const request = await world.readyOrder()
  await assert.rejects(enrollment.enroll(request), /repeats itself/)
  assert.equal(world.authority.signatures(), 1)
  assert.equal((await world.order(request.order?.id ?? '')).processingAt, undefined)
  assert.equal((await world.enrollment().enroll(request)).outcome, 'issued')
})

test('KF-C13 a public key that was blocked is refused and the order stays ready', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder()
  const now = world.clock.now()
  await world.store.blockedKeys.block(request.publicKey.sha256, {
    now,
    reason: 'keyCompromise',
    audit: { at: now, event: 'key.blocked', data: {} },
  })
  const result = await world.enrollment().enroll(request)
  assert.ok(result.outcome === 'unacceptable' && result.about === 'key')
  assert.equal((await world.order(request.order?.id ?? '')).processingAt, undefined)
})

test('KF-C05 the profile of the order decides, whatever the configuration says by then', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder({ profile: { ...PROFILE, lifetimeSeconds: 3600, subject: 'commonName' } })
  const result = await world.enrollment().enroll(request)
  assert.ok(result.outcome === 'issued' && result.certificate.certificateDer)
  const { notBefore, notAfter } = parseCertificate(result.certificate.certificateDer)
  assert.equal(notAfter.getTime() - notBefore.getTime(), 3_599_000)
  assert.match(new X509Certificate(result.certificate.certificateDer).subject, /CN=www\.corp\.test/)
})

test('KF-G01 a policy that fails, denies or has no answer issues nothing', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const down: Policy = { decide: () => Promise.reject(new Error('database down')) }
  const request = await world.readyOrder()
  const result = await world.enrollment({ policyFor: () => down }).enroll(request)
  assert.ok(result.outcome === 'refused' && result.decision.outcome === 'deny')
  assert.equal(result.decision.reasons[0]?.code, 'unavailable')
  assert.equal(world.authority.signatures(), 0)
  assert.equal((await world.order(request.order?.id ?? '')).processingAt, undefined)
})

test('KF-C09 policy judges the names that stand in the bytes, at issuance, with key, usages and length', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const asked: Parameters<Policy['decide']>[0][] = []
  const policy: Policy = {
    decide: (request) => {
      asked.push(request)
      return TEST_POLICY.decide(request)
    },
  }
  const request = await world.readyOrder({
    identifiers: [
      { type: 'dns', value: '*.corp.test' },
      { type: 'ip', value: 'fd00::1' },
    ],
  })
  assert.equal((await world.enrollment({ policyFor: () => policy }).enroll(request)).outcome, 'issued')
  assert.deepEqual(asked, [
    {
      requester: request.requester,
      stage: 'issuance',
      profile: 'server',
      profileFacts: { lifetimeSeconds: 86_400, maxLifetimeSeconds: 86_400, extendedKeyUsages: ['serverAuth'] },
      names: [
        { type: 'dns', value: '*.corp.test' },
        { type: 'ip', value: 'fd00::1' },
      ],
      key: { algorithm: 'P-256', bits: 256, spkiSha256: request.publicKey.sha256 },
      lifetimeSeconds: 86_400,
      extendedKeyUsages: ['serverAuth'],
      subject: [],
      certificatePolicies: [],
      mustStaple: false,
      at: world.clock.now(),
    },
  ])
})

test('KF-B24 an order whose account ended after the proofs is not claimed', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder()
  const now = world.clock.now()
  await world.store.accounts.deactivate('default', world.account.id, {
    now,
    error: { type: 'unauthorized', status: 403, detail: 'the account was deactivated' },
    audit: { at: now, event: 'account.deactivated', data: {} },
  })
  assert.deepEqual(await world.enrollment().enroll(request), { outcome: 'not-ready' })
  assert.equal(world.authority.signatures(), 0)
})

test('KF-E09 a wall clock that went back an hour or a year stops signing with a reason, and forward jumps do not', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const enrollment = world.enrollment()
  const start = world.clock.now().getTime()
  const request = await world.readyOrder()
  for (const back of [3_600_000, 365 * 86_400_000]) {
    world.clock.setWall(new Date(start - back))
    const result = await enrollment.enroll(request)
    assert.ok(result.outcome === 'unavailable')
    assert.match(result.cause.message, /behind what it said before; nothing is signed/)
    await assert.rejects(enrollment.resume(), { code: 'CLOCK_WENT_BACK' })
  }
  assert.equal(world.authority.signatures(), 0)
  world.clock.setWall(new Date(start + 3_600_000))
  assert.equal((await enrollment.enroll(request)).outcome, 'issued')
})

test('an issuer that the profile names and that does not exist issues nothing and claims nothing', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const request = await world.readyOrder({ profile: { ...PROFILE, issuer: 'gone' } })
  await assert.rejects(world.enrollment().enroll(request), /names the issuer "gone"/)
  assert.equal((await world.order(request.order?.id ?? '')).processingAt, undefined)
})

test('KF-E15 an issuing CA that has ended signs nothing and the order stays ready', async (t) => {
  const world = await EnrollmentWorld.open(t, { issuing: { lifetimeSeconds: 2 * 86_400 } })
  const enrollment = world.enrollment()
  await world.clock.advance(3 * 86_400_000)
  const request = await world.readyOrder()
  const result = await enrollment.enroll(request)
  assert.equal(result.outcome, 'unavailable')
  assert.equal(world.authority.signatures(), 0)
  assert.equal((await world.order(request.order?.id ?? '')).processingAt, undefined)
})

test('KF-C12 a broken key is refused on the road itself, whatever the front end looked at', async (t) => {
  const world = await EnrollmentWorld.open(t)
  const publicKey = parseSubjectPublicKey(generateTestKey('RS256', { rsaBits: 1024 }).spkiDer)
  const request = await world.readyOrder({ publicKey })
  const result = await world.enrollment().enroll(request)
  assert.ok(result.outcome === 'unacceptable' && result.about === 'key')
  assert.match(result.detail, /1024 bits/)
  assert.equal(world.authority.signatures(), 0)
})

test('KF-C04 CQ-C04 with an hour left a certificate ends with its issuer, and an asked date beyond that is refused', async (t) => {
  const world = await EnrollmentWorld.open(t, { issuing: { lifetimeSeconds: 3 * 86_400 } })
  const end = world.issuer.certificate.notAfter
  await world.clock.advance(end.getTime() - world.clock.now().getTime() - 3_600_000)
  const request = await world.readyOrder()
  const asked = await world.enrollment().enroll({ ...request, notAfter: new Date(end.getTime() + 1000) })
  assert.ok(asked.outcome === 'unacceptable' && asked.about === 'validity')
  assert.match(asked.detail, /notAfter .* is after the end of the issuing CA's chain/)
  const result = await world.enrollment().enroll(request)
  assert.ok(result.outcome === 'issued' && result.certificate.certificateDer)
  assert.deepEqual(parseCertificate(result.certificate.certificateDer).notAfter, end)
})
