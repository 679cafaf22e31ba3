import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { issueCertificate, openFor, readyOrder } from '../../../test/support/acme-orders.ts'
import type { AcmeWorld, TestAccount, TestSigner } from '../../../test/support/acme-world.ts'
import { identifiers } from '../../../test/support/acme-world.ts'
import { generateTestKey } from '../../../test/support/test-keys.ts'
import { encodePem } from '../../lib/pem.ts'
import { finalize } from './finalize.ts'
import { newOrder } from './new-order.ts'
import { revokeCert } from './revoke-cert.ts'

async function recordOf(world: AcmeWorld, serial: string) {
  const [record] = await world.store.certificates.findBySerial(serial)
  return record ?? assert.fail('no record')
}

test('CQ-R03 the account it was issued to revokes: 200, an empty body, durable', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial, payload, orderId } = await issueCertificate(world, by)
  const reply = await world.call(revokeCert, { by, payload })
  assert.deepEqual([reply.status, reply.body], [200, undefined])
  const record = await recordOf(world, serial)
  assert.deepEqual(record.revokedAt, world.clock.now())
  assert.equal(record.revocationReason ?? 0, 0)
  const [line] = world.log.of('certificate.revoke')
  assert.deepEqual(
    [line?.serial, line?.orderId, line?.['by'], line?.['outcome']],
    [serial, orderId, 'issuing-account', 'revoked'],
  )
})

test('CQ-R04 CQ-J07 the certificate key revokes without any account, whatever its type', async (t) => {
  const world = await openFor(t)
  for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'] as const) {
    const by = await world.account()
    const { serial, payload, key } = await issueCertificate(world, by, ['a.test'], generateTestKey(algorithm))
    assert.equal((await world.call(revokeCert, { by: key, payload })).status, 200, algorithm)
    assert.ok((await recordOf(world, serial)).revokedAt, algorithm)
  }
})

test('KF-B19 an account with valid authorizations for all names revokes; with one name missing it does not', async (t) => {
  const world = await openFor(t)
  const owner = await world.account()
  const names = ['a.test', '*.a.test', '10.0.0.1']
  const { serial, payload } = await issueCertificate(world, owner, names)
  const almost: TestAccount[] = []
  for (const missing of names) {
    const account = await world.account()
    await readyOrder(
      world,
      account,
      names.filter((name) => name !== missing),
    )
    almost.push(account)
  }
  const pending = await world.account()
  await world.call(newOrder, { by: pending, payload: identifiers(...names) })
  for (const by of [await world.account(), pending, ...almost]) {
    const error = await world.refused(revokeCert, { by, payload })
    assert.deepEqual([error.type, error.status], ['unauthorized', 403])
  }
  assert.equal((await recordOf(world, serial)).revokedAt, undefined)
  const all = await world.account()
  await readyOrder(world, all, [...names, 'other.test'])
  assert.equal((await world.call(revokeCert, { by: all, payload: { ...payload, reason: 4 } })).status, 200)
  assert.equal((await recordOf(world, serial)).revocationReason, 4)
})

test('KF-B19 authorizations that have expired since give no right', async (t) => {
  const world = await openFor(t, { profile: { lifetimeSeconds: 3 * 86_400, maxLifetimeSeconds: 3 * 86_400 } })
  const owner = await world.account()
  const { payload } = await issueCertificate(world, owner)
  const other = await world.account()
  await readyOrder(world, other, ['a.test'])
  await world.clock.advance(86_400_000)
  assert.equal((await world.refused(revokeCert, { by: other, payload })).type, 'unauthorized')
})

test('KF-B18 another valid certificate, its key, or the same names under a forged serial prove nothing', async (t) => {
  const world = await openFor(t)
  const [a, b] = [await world.account(), await world.account()]
  const victim = await issueCertificate(world, a, ['a.test'])
  const mine = await issueCertificate(world, b, ['b.test'])
  for (const by of [mine.key, b, generateTestKey('ES256')] as TestSigner[]) {
    assert.equal((await world.refused(revokeCert, { by, payload: victim.payload })).type, 'unauthorized')
  }
  // The victim's serial in other bytes: the record is found by serial and must not be taken for it.
  const forged = Buffer.from(victim.der)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  for (const by of [a, victim.key] as TestSigner[]) {
    const error = await world.refused(revokeCert, { by, payload: { certificate: forged.toString('base64url') } })
    assert.equal(error.type, 'unauthorized')
  }
  assert.equal((await recordOf(world, victim.serial)).revokedAt, undefined)
})

test('KF-B09 an unknown and a foreign certificate get the same answer', async (t) => {
  const world = await openFor(t)
  const [owner, stranger] = [await world.account(), await world.account()]
  const { payload } = await issueCertificate(world, owner)
  const answers = []
  for (const der of [
    payload.certificate,
    world.issuing.certificateDer.toString('base64url'),
    world.root.certificateDer.toString('base64url'),
  ]) {
    const error = await world.refused(revokeCert, { by: stranger, payload: { certificate: der } })
    answers.push(`${error.status} ${error.type} ${error.message}`)
  }
  assert.equal(new Set(answers).size, 1)
})

test('KF-G03 a certificate of another directory is unknown here, to its own key too', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { payload, key } = await issueCertificate(world, by)
  const directory = { ...world.directory, name: 'other' }
  for (const signer of [by, key] as TestSigner[]) {
    assert.equal((await world.refused(revokeCert, { by: signer, payload, directory })).type, 'unauthorized')
  }
})

test('CQ-R02 a second revocation is alreadyRevoked with the date, and changes nothing', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial, payload, key } = await issueCertificate(world, by)
  await world.call(revokeCert, { by, payload: { ...payload, reason: 4 } })
  await world.clock.advance(60_000)
  for (const [signer, reason] of [
    [by, 4],
    [by, 1],
    [key, 5],
  ] as [TestSigner, number][]) {
    const error = await world.refused(revokeCert, { by: signer, payload: { ...payload, reason } })
    assert.deepEqual([error.type, error.status], ['alreadyRevoked', 400])
    assert.match(error.message, /2026-03-01T12:00:00Z/)
  }
  assert.equal((await recordOf(world, serial)).revocationReason, 4)
})

test('CQ-R02 twenty revocations at once are one 200 and the rest alreadyRevoked', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { payload } = await issueCertificate(world, by)
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, async () => {
      try {
        return String((await world.call(revokeCert, { by, payload })).status)
      } catch (error) {
        return (error as { type?: string }).type
      }
    }),
  )
  assert.deepEqual(outcomes.sort(), ['200', ...new Array<string>(19).fill('alreadyRevoked')])
})

test('KF-D06 the holder of the key raises an earlier reason to keyCompromise, once, and the date stays', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { serial, payload, key } = await issueCertificate(world, by)
  await world.call(revokeCert, { by, payload: { ...payload, reason: 4 } })
  const first = (await recordOf(world, serial)).revokedAt
  await world.clock.advance(60_000)
  assert.equal((await world.call(revokeCert, { by: key, payload: { ...payload, reason: 1 } })).status, 200)
  const raised = await recordOf(world, serial)
  assert.deepEqual([raised.revocationReason, raised.revokedAt], [1, first])
  assert.equal(
    (await world.refused(revokeCert, { by: key, payload: { ...payload, reason: 1 } })).type,
    'alreadyRevoked',
  )
})

test('KF-C13 after keyCompromise the key is blocked for certificates', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { payload, key } = await issueCertificate(world, by)
  await world.call(revokeCert, { by: key, payload: { ...payload, reason: 1 } })
  assert.ok(await world.store.blockedKeys.isBlocked(createHash('sha256').update(key.spkiDer).digest('hex')))
  const { params } = await readyOrder(world, by, ['a.test'])
  const error = await world.refused(finalize, {
    by,
    params,
    payload: { csr: world.csr(['a.test'], { key }).csr },
  })
  assert.equal(error.type, 'badCSR')
})

test('who only controls the names may not claim keyCompromise', async (t) => {
  const world = await openFor(t)
  const owner = await world.account()
  const { serial, payload, key } = await issueCertificate(world, owner)
  const other = await world.account()
  await readyOrder(world, other, ['a.test'])
  const error = await world.refused(revokeCert, { by: other, payload: { ...payload, reason: 1 } })
  assert.equal(error.type, 'badRevocationReason')
  assert.equal((await recordOf(world, serial)).revokedAt, undefined)
  assert.equal(await world.store.blockedKeys.isBlocked(createHash('sha256').update(key.spkiDer).digest('hex')), false)
})

test('CQ-R01 KF-D07 reasons: allowed ones are stored, 7, 8, 99 and the like are bad, text is malformed', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { payload } = await issueCertificate(world, by)
  for (const reason of [2, 6, 7, 8, 9, 10, 99]) {
    assert.equal((await world.refused(revokeCert, { by, payload: { ...payload, reason } })).type, 'badRevocationReason')
  }
  for (const reason of ['1', 'superseded', 1.5, {}]) {
    assert.equal((await world.refused(revokeCert, { by, payload: { ...payload, reason } })).type, 'malformed')
  }
  for (const reason of [1, 3, 4, 5]) {
    const next = await issueCertificate(world, by)
    await world.call(revokeCert, { by, payload: { ...next.payload, reason } })
    assert.equal((await recordOf(world, next.serial)).revocationReason, reason)
  }
})

test('an expired certificate is refused with the explanation, a revoked one is alreadyRevoked still', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const [one, two] = [await issueCertificate(world, by), await issueCertificate(world, by)]
  await world.call(revokeCert, { by, payload: two.payload })
  const { notAfter } = await recordOf(world, one.serial)
  await world.clock.advance(notAfter.getTime() - world.clock.now().getTime() + 1)
  const error = await world.refused(revokeCert, { by, payload: one.payload })
  assert.deepEqual([error.type, error.status], ['malformed', 400])
  assert.match(error.message, /expired at 2026-03-02T/)
  assert.equal((await world.refused(revokeCert, { by, payload: two.payload })).type, 'alreadyRevoked')
})

test('CQ-J03 the certificate may be padded; anything else that is not its DER is malformed', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { der } = await issueCertificate(world, by)
  const bad = [
    undefined,
    null,
    7,
    '',
    encodePem('CERTIFICATE', der),
    der.toString('base64').replace(/^./, '+'),
    Buffer.concat([der, Buffer.from([0])]).toString('base64url'),
    der.subarray(1).toString('base64url'),
    Buffer.from('3000', 'hex').toString('base64url'),
  ]
  for (const value of bad) {
    const payload = value === undefined ? {} : { certificate: value }
    assert.equal((await world.refused(revokeCert, { by, payload })).type, 'malformed')
  }
  assert.equal((await world.refused(revokeCert, { by, payload: '' })).type, 'malformed')
  const padding = '='.repeat((3 - (der.length % 3)) % 3)
  const padded = `${der.toString('base64url')}${padding}`
  assert.equal((await world.call(revokeCert, { by, payload: { certificate: padded } })).status, 200)
})
