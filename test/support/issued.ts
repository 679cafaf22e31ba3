import assert from 'node:assert/strict'
import type { IssuedCertificate } from '../../src/store/recovery.ts'
import type { Store } from '../../src/store/store.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { auditEvent, certificateRecord, dnsName, later, repeatableRandom } from './records.ts'
import { type SampleCa, sampleCa, sampleLeaf } from './x509-samples.ts'

/** An issuing CA whose certificates are real ones, as far as reading them goes. */
export const SAMPLE_ISSUER: SampleCa = sampleCa('Test Issuing CA')
export const SAMPLE_ISSUER_ID: string = SAMPLE_ISSUER.keyId.toString('hex')

/** A record of a real certificate. */
export function issuedRecord(name: string, now: Date, issuer = SAMPLE_ISSUER): IssuedCertificate {
  const notBefore = new Date(Math.floor(now.getTime() / 1000) * 1000)
  const notAfter = later(notBefore, 86_399_000)
  const serial = Buffer.concat([Buffer.from('4a', 'hex'), repeatableRandom.bytes(16)])
  const leaf = parseCertificate(sampleLeaf(issuer, [name], { fields: { serial, notBefore, notAfter } }))
  return {
    ...certificateRecord(now, { identifiers: [dnsName(name)] }),
    issuerId: issuer.keyId.toString('hex'),
    serial: leaf.serialHex,
    spkiSha256: leaf.publicKey.sha256,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    tbsDer: leaf.tbsDer,
    certificateDer: leaf.der,
    issuedAt: now,
  }
}

/** Issues as the server does, with the audit events that the log follows. */
export async function issueInto(
  store: Store,
  name: string,
  now: Date,
  issuer = SAMPLE_ISSUER,
): Promise<IssuedCertificate> {
  const { certificateDer, issuedAt: _, ...record } = issuedRecord(name, now, issuer)
  const about = { serial: record.serial, data: { issuerId: record.issuerId } }
  assert.equal(
    await store.certificates.begin(record, { now, audit: auditEvent(now, 'certificate.intended', about) }),
    'begun',
  )
  const audit = auditEvent(now, 'certificate.issued', about)
  assert.equal(await store.certificates.complete(record, { certificateDer, now, audit }), 'completed')
  return { ...record, certificateDer, issuedAt: now }
}

export async function revokeIn(store: Store, { issuerId, serial }: IssuedCertificate, now: Date): Promise<void> {
  const audit = auditEvent(now, 'certificate.revoked', { serial, data: { issuerId } })
  const { outcome } = await store.certificates.revoke(
    { issuerId, serial },
    { now, reason: 4, raiseToKeyCompromise: false, audit },
  )
  assert.equal(outcome, 'revoked')
}
