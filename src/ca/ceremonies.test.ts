import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { lifetimeSecondsOf } from '../issuance/validity.ts'
import { generateKey } from '../signer/software.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { parseCertificationRequest, verifyCertificationRequest } from '../x509/csr.ts'
import { parseName } from '../x509/name.ts'
import { OID } from '../x509/oids.ts'
import { issuingCaCsr } from './csr.ts'
import { checkImported } from './import.ts'
import { certifyIssuingCa, createIssuingCa } from './issuing-ca.ts'
import { createRoot } from './root.ts'

const now = new Date('2026-03-01T12:00:00.500Z')
const random = new SeededRandom()
const root = await createRoot({ name: 'Corp Root', organization: 'Corp', now, random, keyKind: 'P-256' })
const signer = { certificateDer: root.certificateDer, key: root.key.signingKey }
const issuing = await createIssuingCa({
  name: 'Corp Issuing CA',
  organization: 'Corp',
  now,
  random,
  root: signer,
  nameConstraints: { dns: ['corp.example'], ip: ['10.0.0.0/8'] },
  caIssuersUrl: 'http://ca.corp.example/root.cer',
})

test('a root is P-384, ten years, self-signed, and allowed to do everything a root does', async () => {
  const made = await createRoot({ name: 'Big Root', now, random })
  const certificate = parseCertificate(made.certificateDer)
  assert.equal(certificate.publicKey.algorithm, 'P-384')
  assert.equal(lifetimeSecondsOf(certificate), 3652 * 86_400)
  assert.ok(certificate.subjectDer.equals(certificate.issuerDer))
  assert.ok(certificate.authorityKeyId?.equals(certificate.subjectKeyId ?? Buffer.alloc(0)))
  assert.deepEqual(certificate.basicConstraints, { ca: true })
  assert.deepEqual([...(certificate.keyUsage ?? [])], ['keyCertSign', 'cRLSign'])
  assert.equal(certificate.extensions.has(OID.extKeyUsage), false)
  const x509 = new X509Certificate(made.certificateDer)
  assert.ok(x509.verify(x509.publicKey) && x509.ca)
  assert.match(made.certificatePem, /^-----BEGIN CERTIFICATE-----\n[\s\S]+-----END CERTIFICATE-----\n$/)
})

test('an issuing CA is P-256, two years, path length 0, bound to its names by a critical extension', () => {
  const certificate = parseCertificate(issuing.certificateDer)
  assert.equal(certificate.publicKey.algorithm, 'P-256')
  assert.equal(lifetimeSecondsOf(certificate), 730 * 86_400)
  assert.deepEqual(certificate.basicConstraints, { ca: true, pathLen: 0 })
  assert.deepEqual(certificate.extendedKeyUsage, [OID.serverAuth, OID.clientAuth])
  assert.equal(certificate.extensions.get(OID.nameConstraints)?.critical, true)
  assert.deepEqual(
    certificate.nameConstraints?.permitted.map((base) => (base.type === 'dns' ? base.value : base.type)),
    ['corp.example', 'ip'],
  )
  assert.deepEqual(certificate.authorityInfoAccess?.caIssuers, ['http://ca.corp.example/root.cer'])
  assert.deepEqual(certificate.crlDistributionPoints, [])
  assert.ok(new X509Certificate(issuing.certificateDer).verify(new X509Certificate(root.certificateDer).publicKey))
})

test('CQ-C06 CA certificates begin an hour ago in whole seconds, so that leaves can be backdated at once', () => {
  for (const der of [root.certificateDer, issuing.certificateDer]) {
    assert.equal(parseCertificate(der).notBefore.toISOString(), '2026-03-01T11:00:00.000Z')
  }
})

test('KF-C01 CA serials are random too', () => {
  const serials = [root, issuing].map(({ certificateDer }) => parseCertificate(certificateDer).serialHex)
  assert.ok(serials.every((serial) => serial.length === 34))
  assert.notEqual(serials[0], serials[1])
})

test('a type of name without a permitted list is excluded whole, not left open', async () => {
  for (const [given, open] of [
    [{ dns: ['corp.example'], ip: [] }, 'ip'],
    [{ dns: [], ip: ['10.0.0.0/8'] }, 'dns'],
  ] as const) {
    const made = await createIssuingCa({ name: 'Bound', now, random, root: signer, nameConstraints: given })
    const { excluded } = parseCertificate(made.certificateDer).nameConstraints ?? assert.fail()
    assert.ok(excluded.length > 0 && excluded.every(({ type }) => type === open))
  }
})

test('without name constraints the extension is absent', async () => {
  const made = await createIssuingCa({ name: 'Free', now, random, root: signer })
  assert.equal(parseCertificate(made.certificateDer).nameConstraints, undefined)
})

test('an issuing CA ends no later than its root', async () => {
  const later = new Date('2035-06-01T00:00:00Z')
  const made = await createIssuingCa({ name: 'Late', now: later, random, root: signer })
  assert.deepEqual(parseCertificate(made.certificateDer).notAfter, parseCertificate(root.certificateDer).notAfter)
})

test('ceremonies that cannot end well are refused with the reason', async () => {
  const other = await generateKey('P-256')
  const make = (change: Partial<Parameters<typeof createIssuingCa>[0]>) =>
    createIssuingCa({ name: 'X', now, random, root: signer, ...change })
  for (const [attempt, message] of [
    [() => make({ root: { ...signer, key: other.signingKey } }), /not the root's/],
    [
      () => make({ root: { certificateDer: issuing.certificateDer, key: issuing.key.signingKey } }),
      /path length forbids/,
    ],
    [() => make({ now: new Date('2040-01-01T00:00:00Z') }), /valid from/],
    [() => make({ name: 'Corp Root', organization: 'Corp' }), /another name/],
    [() => make({ name: '' }), /1 to 64 characters/],
    [() => make({ name: ' x' }), /1 to 64 characters/],
    [() => make({ name: 'x'.repeat(65) }), /1 to 64 characters/],
    [() => make({ name: 'a\u0000b' }), /control characters/],
    [() => make({ lifetimeSeconds: 60 }), /lifetime of 60 s/],
    [() => make({ lifetimeSeconds: 86_400.5 }), /whole seconds/],
    [() => make({ caIssuersUrl: 'https://ca.corp.example/root.cer' }), /plain http/],
    [() => make({ crlUrl: 'crl' }), /absolute/],
    [
      () => certifyIssuingCa({ name: 'X', now, random, root: signer, spkiDer: root.key.signingKey.spkiDer }),
      /another key/,
    ],
  ] as const) {
    await assert.rejects(attempt(), message)
  }
})

test('KF-E12 a signer that answers with another signature makes no CA certificate', async () => {
  const other = await generateKey('P-256')
  const key = {
    ...signer.key,
    spkiDer: signer.key.spkiDer,
    algorithm: signer.key.algorithm,
    sign: (m: Uint8Array) => other.signingKey.sign(m),
  }
  await assert.rejects(createIssuingCa({ name: 'X', now, random, root: { ...signer, key } }), /does not verify/)
})

test('an offline root certifies the request of an issuing CA made elsewhere', async () => {
  const { signingKey } = await generateKey('P-256')
  const { csrDer, csrPem } = await issuingCaCsr({ name: 'Remote CA', organization: 'Corp', key: signingKey })
  const csr = parseCertificationRequest(csrDer)
  assert.ok(verifyCertificationRequest(csr) && csr.requestsCa)
  assert.deepEqual(
    parseName(csr.subjectDer).attributes.map(({ value }) => value),
    ['Corp', 'Remote CA'],
  )
  assert.match(csrPem, /^-----BEGIN CERTIFICATE REQUEST-----\n/)
  const made = await certifyIssuingCa({
    name: 'Remote CA',
    organization: 'Corp',
    now,
    random,
    root: signer,
    spkiDer: csr.publicKey.der,
  })
  const report = await checkImported(made.certificateDer, [root.certificateDer], signingKey, now)
  assert.deepEqual(report.problems, [])
  assert.ok(report.notes.some((note) => note.includes('any name')))
})

test('KF-G08 KF-C19 an import is refused for each thing that does not fit, and shows its name constraints', async () => {
  const chain = [root.certificateDer]
  const { signingKey: stranger } = await generateKey('P-256')
  const { signingKey } = issuing.key
  const otherRoot = await createRoot({ name: 'Corp Root', organization: 'Corp', now, random, keyKind: 'P-256' })
  const problems = async (...args: Parameters<typeof checkImported>) =>
    (await checkImported(...args)).problems.join('\n')
  const good = await checkImported(issuing.certificateDer, chain, signingKey, now)
  assert.deepEqual(good.problems, [])
  assert.ok(good.notes.some((note) => note.includes('"corp.example"') && note.includes('10.0.0.0/8')))
  assert.match(await problems(issuing.certificateDer, chain, stranger, now), /does not belong to its certificate/)
  assert.match(
    await problems(issuing.certificateDer, [otherRoot.certificateDer], signingKey, now),
    /not signed by|subjectKeyIdentifier/,
  )
  assert.match(await problems(issuing.certificateDer, [], signingKey, now), /does not end in a root/)
  assert.match(await problems(issuing.certificateDer, chain, signingKey, new Date('2031-01-01T00:00:00Z')), /expired/)
})
