import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { makeTestAuthority } from '../../test/support/test-authority.ts'
import type { RevokedEntry } from '../store/records.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { parseCertList } from '../x509/crl-reader.ts'
import { OID } from '../x509/oids.ts'
import { verifySignature } from '../x509/signature.ts'
import { buildCrl } from './build-crl.ts'

const { issuer, issuingCa } = await makeTestAuthority()
const times = { thisUpdate: new Date('2026-03-01T12:00:00Z'), nextUpdate: new Date('2026-03-02T12:00:00Z') }
const random = new SeededRandom()

function entries(count: number): RevokedEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    serial: `5a${random.bytes(16).toString('hex')}`,
    revokedAt: new Date(Date.parse('2026-03-01T00:00:00.123Z') + i * 10),
    reason: ([0, 1, 3, 4, 5, 9] as const)[i % 6] ?? 0,
  }))
}

for (const count of [0, 1, 2, 999, 1000, 1001, 100_000]) {
  test(`KF-D03 a list of ${count} certificates names exactly these and verifies`, async () => {
    const revoked = entries(count)
    const crl = parseCertList(await buildCrl(issuer, { number: 7n, entries: revoked, ...times }))
    assert.ok(verifySignature(crl, issuer.certificate.publicKey))
    let at = 0
    for (const entry of crl.entries()) {
      const wanted = revoked[at++]
      assert.ok(entry.serial === wanted?.serial && entry.reason === wanted.reason)
      assert.equal(entry.revokedAt.getTime(), Math.floor(wanted.revokedAt.getTime() / 1000) * 1000)
    }
    assert.equal(at, count)
  })
}

test('KF-F15 a list of 100,000 certificates is built without holding up the loop for its whole length', async () => {
  const revoked = entries(100_000)
  let turns = 0
  let building = true
  const count = (): void => {
    turns++
    if (building) setImmediate(count)
  }
  setImmediate(count)
  await buildCrl(issuer, { number: 8n, entries: revoked, ...times })
  building = false
  // The chunks to encode and to read back are each followed by a turn for others.
  assert.ok(turns >= 200, `${turns} turns`)
})

test('KF-D12 KF-C18 issuer, key identifier and distribution point are the bytes that leaves and CA carry', async () => {
  const crl = parseCertList(await buildCrl(issuer, { number: 9n, entries: [], ...times }))
  const ca = parseCertificate(issuingCa.certificateDer)
  assert.ok(crl.issuerDer.equals(ca.subjectDer))
  assert.ok(crl.authorityKeyId.equals(ca.subjectKeyId ?? Buffer.alloc(0)))
  assert.deepEqual(crl.issuingDistributionPoint, {
    urls: [issuer.crlUrl],
    onlyContainsUserCerts: true,
    onlyContainsCaCerts: false,
  })
  assert.equal(crl.extensions.get(OID.issuingDistributionPoint)?.critical, true)
  assert.equal(crl.extensions.get(OID.crlNumber)?.critical, false)
  assert.equal(crl.number, 9n)
})

test('KF-E12 a list with a signature that does not verify, or a reason or serial without encoding, is not made', async () => {
  const plan = { number: 10n, entries: entries(3), ...times }
  const other = await makeTestAuthority({ seed: 'other' })
  const lying = { ...issuer, key: { ...issuer.key, sign: (message: Uint8Array) => other.issuer.key.sign(message) } }
  await assert.rejects(buildCrl(lying, plan), { name: 'CrlBuildError' })
  for (const wrong of [{ reason: 7 as 9 }, { reason: 8 as 9 }, { serial: 'zz' }, { serial: '00' }]) {
    const broken: RevokedEntry = { serial: '5a11', revokedAt: times.thisUpdate, reason: 1, ...wrong }
    await assert.rejects(buildCrl(issuer, { ...plan, entries: [broken] }))
  }
})
