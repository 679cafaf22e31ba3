import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { PROFILE } from '../../test/support/order-facts.ts'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { makeTestAuthority, type TestAuthority } from '../../test/support/test-authority.ts'
import { generateTestKey } from '../../test/support/test-keys.ts'
import type { Identifier } from '../lib/identifier.ts'
import type { Policy } from '../policy/decision.ts'
import type { CertificateRecord, ProfileSnapshot } from '../store/records.ts'
import { parseCertificate, parseTbsCertificate } from '../x509/certificate.ts'
import { OID } from '../x509/oids.ts'
import { parseSubjectPublicKey } from '../x509/spki.ts'
import { IssuanceError } from './issuance-error.ts'
import { issue } from './issue.ts'
import type { Lint } from './lint.ts'
import { type Prepared, type PrepareInput, prepare, prepareStored } from './prepare.ts'
import { newSerial } from './serial.ts'

const clock = new FakeClock()
const random = new SeededRandom()
const authority = await makeTestAuthority({ now: clock.now() })
const allowAll: Policy = { decide: async () => ({ outcome: 'allow', reasons: [] }) }
const publicKey = parseSubjectPublicKey(generateTestKey().spkiDer)

function input(options: Partial<PrepareInput> = {}): PrepareInput {
  return {
    requester: { kind: 'server' },
    profile: PROFILE,
    identifiers: [{ type: 'dns', value: 'www.corp.test' }],
    publicKey,
    serial: newSerial(random),
    ...options,
  }
}

async function prepared(options: Partial<PrepareInput> = {}, from: TestAuthority = authority): Promise<Prepared> {
  const result = await prepare(input(options), { issuer: from.issuer, policy: allowAll, clock })
  if (result.outcome !== 'prepared') assert.fail(JSON.stringify(result))
  return result
}

test('KF-C08 CQ-C05 a leaf holds exactly the extensions of its profile, whatever else anybody wished for', async () => {
  const leaf = parseTbsCertificate((await prepared()).tbsDer)
  assert.deepEqual(
    [...leaf.extensions].map(([oid, { critical }]) => [oid, critical]),
    [
      [OID.basicConstraints, true],
      [OID.keyUsage, true],
      [OID.extKeyUsage, false],
      [OID.subjectKeyIdentifier, false],
      [OID.authorityKeyIdentifier, false],
      [OID.authorityInfoAccess, false],
      [OID.subjectAltName, true],
      [OID.crlDistributionPoints, false],
    ],
  )
  assert.deepEqual(leaf.basicConstraints, { ca: false })
  assert.deepEqual(leaf.extendedKeyUsage, [OID.serverAuth])
  assert.deepEqual([...(leaf.keyUsage ?? [])], ['digitalSignature'])
})

test('CQ-C05 key usages follow the kind of the key', async () => {
  for (const [algorithm, usages] of [
    ['ES256', ['digitalSignature']],
    ['ES384', ['digitalSignature']],
    ['ES512', ['digitalSignature']],
    ['EdDSA', ['digitalSignature']],
    ['RS256', ['digitalSignature', 'keyEncipherment']],
  ] as const) {
    const { tbsDer } = await prepared({ publicKey: parseSubjectPublicKey(generateTestKey(algorithm).spkiDer) })
    assert.deepEqual([...(parseTbsCertificate(tbsDer).keyUsage ?? [])], usages)
  }
})

test('CQ-C05 a common name is the first dns name that fits, never an address, and the SAN is then not critical', async () => {
  const profile: ProfileSnapshot = {
    ...PROFILE,
    subject: 'commonName',
    extendedKeyUsages: ['serverAuth', 'clientAuth'],
  }
  const long = `${'a'.repeat(60)}.corp.test`
  const names: readonly Identifier[] = [
    { type: 'ip', value: '10.1.2.3' },
    { type: 'dns', value: long },
    { type: 'dns', value: 'www.corp.test' },
  ]
  const leaf = parseTbsCertificate((await prepared({ profile, identifiers: names })).tbsDer)
  assert.ok(leaf.subjectDer.includes('www.corp.test'))
  assert.equal(leaf.extensions.get(OID.subjectAltName)?.critical, false)
  assert.deepEqual(leaf.extendedKeyUsage, [OID.serverAuth, OID.clientAuth])
  const addressOnly = parseTbsCertificate((await prepared({ profile, identifiers: names.slice(0, 2) })).tbsDer)
  assert.equal(addressOnly.subjectDer.toString('hex'), '3000')
  assert.equal(addressOnly.extensions.get(OID.subjectAltName)?.critical, true)
})

test("KF-C18 issuer name and key identifier are the CA's own bytes, also when it writes them in its own way", async () => {
  const leaf = parseTbsCertificate((await prepared()).tbsDer)
  const ca = authority.issuer.certificate
  assert.ok(leaf.issuerDer.equals(ca.subjectDer))
  assert.ok(leaf.authorityKeyId?.equals(ca.subjectKeyId ?? Buffer.alloc(0)))

  const printableName = Buffer.from('3014311230100603550403130953746172204c616273', 'hex')
  const keyId = Buffer.from('0102030405', 'hex')
  const issuer = { ...authority.issuer, certificate: { ...ca, subjectDer: printableName, subjectKeyId: keyId } }
  const chain = [issuer.certificate, ...authority.issuer.chain.slice(1)]
  const result = await prepare(input(), { issuer: { ...issuer, chain }, policy: allowAll, clock })
  assert.ok(result.outcome === 'prepared')
  const other = parseTbsCertificate(result.tbsDer)
  assert.ok(other.issuerDer.equals(printableName))
  assert.ok(other.authorityKeyId?.equals(keyId))
})

test('KF-C17 a rule that finds a fault stops the certificate before the issuing key is used', async () => {
  const fault: Lint = { name: 'never-good', source: 'test', severity: 'error', check: () => 'it is not good' }
  const before = authority.signatures()
  await assert.rejects(
    prepare(input(), { issuer: authority.issuer, policy: allowAll, clock, lints: [fault] }),
    (error) =>
      error instanceof IssuanceError &&
      error.code === 'DEFECTIVE' &&
      error.findings.includes('never-good: it is not good'),
  )
  assert.equal(authority.signatures(), before)
})

test('KF-C17 broken profiles and broken input are caught by the real rules, with the key unused', async () => {
  const before = authority.signatures()
  const cases: readonly Partial<PrepareInput>[] = [
    { identifiers: [] },
    { identifiers: [{ type: 'dns', value: 'WWW.corp.test' }] },
    { identifiers: [{ type: 'dns', value: 'a.*.test' }] },
    { identifiers: [{ type: 'ip', value: '010.0.0.1' }] },
    {
      identifiers: [
        { type: 'dns', value: 'a.test' },
        { type: 'dns', value: 'a.test' },
      ],
    },
    { profile: { ...PROFILE, extendedKeyUsages: [] } },
    { profile: { ...PROFILE, extendedKeyUsages: ['codeSigning' as 'serverAuth'] } },
    { profile: { ...PROFILE, subject: 'dn' as 'empty' } },
    { serial: Buffer.of(1, 2, 3) },
    { serial: Buffer.alloc(17) },
    { serial: Buffer.from('ff'.repeat(17), 'hex') },
    { serial: Buffer.alloc(30, 1) },
    { publicKey: authority.issuer.certificate.publicKey },
    { publicKey: parseSubjectPublicKey(generateTestKey('RS256', { rsaBits: 1024 }).spkiDer) },
  ]
  for (const [index, broken] of cases.entries()) {
    await assert.rejects(
      prepare(input(broken), { issuer: authority.issuer, policy: allowAll, clock }),
      (error) => error instanceof IssuanceError && error.code === 'DEFECTIVE',
      `case ${index + 1}`,
    )
  }
  assert.equal(authority.signatures(), before)
})

test('KF-C19 names outside of the constraints of any CA above are unacceptable', async () => {
  for (const value of ['example.com', 'test.example', 'eviltest', '*.com']) {
    const result = await prepare(input({ identifiers: [{ type: 'dns', value }] }), {
      issuer: authority.issuer,
      policy: allowAll,
      clock,
    })
    assert.ok(result.outcome === 'unacceptable' && result.about === 'names', value)
  }
  for (const value of ['8.8.8.8', '2001:db8::1']) {
    const result = await prepare(input({ identifiers: [{ type: 'ip', value }] }), {
      issuer: authority.issuer,
      policy: allowAll,
      clock,
    })
    assert.ok(result.outcome === 'unacceptable' && result.about === 'names', value)
  }
})

test('KF-C19 a purpose that a CA above does not have, and CA certificates that cannot issue, stop with the key unused', async () => {
  const { issuer } = authority
  const [ca, root] = issuer.chain
  assert.ok(ca && root)
  const before = authority.signatures()
  const unfit = {
    'purpose of the issuing CA': [{ ...ca, extendedKeyUsage: [OID.clientAuth] }, root],
    'purpose of the root': [ca, { ...root, extendedKeyUsage: [OID.clientAuth] }],
    'not a CA': [{ ...ca, basicConstraints: { ca: false } }, root],
    'no right to sign': [{ ...ca, keyUsage: new Set(['cRLSign'] as const) }, root],
    'path length of the root': [ca, { ...root, basicConstraints: { ca: true, pathLen: 0 } }],
    expired: [{ ...ca, notAfter: new Date(clock.now().getTime() - 1000) }, root],
    'not begun': [{ ...ca, notBefore: new Date(clock.now().getTime() + 1000) }, root],
    'root expired': [ca, { ...root, notAfter: new Date(clock.now().getTime() - 1000) }],
    'not the issuer': [ca, { ...root, subjectDer: ca.subjectDer }],
    'unknown critical extension': [
      { ...ca, extensions: new Map([...ca.extensions, ['1.2.3', { critical: true, value: Buffer.alloc(0) }]]) },
      root,
    ],
  } as const
  for (const [what, chain] of Object.entries(unfit)) {
    const bad = { ...issuer, certificate: chain[0], chain }
    await assert.rejects(
      prepare(input(), { issuer: bad, policy: allowAll, clock }),
      (error) => error instanceof IssuanceError && error.code === 'ISSUER_UNFIT',
      what,
    )
  }
  assert.equal(authority.signatures(), before)
})

test('KF-C07 what the caller hands in is not changed, and changing it afterwards changes nothing', async () => {
  const identifiers = Object.freeze([Object.freeze({ type: 'dns', value: 'www.corp.test' } as const)])
  const serial = newSerial(random)
  const result = await prepared({ identifiers, serial })
  const copy = Buffer.from(result.tbsDer)
  result.tbsDer.fill(0)
  serial.fill(0)
  const certificate = parseCertificate(await issue(result.token))
  assert.ok(certificate.tbsDer.equals(copy))
})

test('a token works once, and nothing but prepare makes one', async () => {
  const { token } = await prepared()
  await issue(token)
  await assert.rejects(issue(token), { code: 'TOKEN_SPENT' })
  for (const forged of [{}, Object.freeze({}), structuredClone(token), Object.create(token)]) {
    await assert.rejects(issue(forged as never), { code: 'TOKEN_SPENT' })
  }
  const two = await prepared()
  const results = await Promise.allSettled([issue(two.token), issue(two.token)])
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
})

test('KF-E12 a signature that the public key does not confirm is never released', async () => {
  const other = await makeTestAuthority({ now: clock.now(), seed: 'other' })
  for (const sign of [
    (message: Uint8Array) => other.issuer.key.sign(message),
    async () => Buffer.from('3006020101020101', 'hex'),
    async () => Buffer.alloc(0),
    async (message: Uint8Array) => authority.issuer.key.sign(Buffer.from(message).fill(1, 40, 41)),
  ]) {
    const issuer = { ...authority.issuer, key: { ...authority.issuer.key, sign } }
    const result = await prepare(input(), { issuer, policy: allowAll, clock })
    assert.ok(result.outcome === 'prepared')
    await assert.rejects(issue(result.token), { code: 'BAD_SIGNATURE' })
  }
})

test('KF-E12 stored bytes that are not what the record says are not signed', async () => {
  const { tbsDer, notBefore, notAfter } = await prepared()
  const serial = parseTbsCertificate(tbsDer).serialHex
  const record: CertificateRecord = {
    serial,
    issuerId: authority.issuer.id,
    identifiers: [{ type: 'dns', value: 'www.corp.test' }],
    profile: PROFILE,
    spkiSha256: publicKey.sha256,
    notBefore,
    notAfter,
    tbsDer,
    reservedAt: clock.now(),
  }
  const context = { issuer: authority.issuer, policy: allowAll, clock }
  const again = await prepareStored(record, { requester: { kind: 'server' } }, context)
  assert.ok(again.outcome === 'prepared' && again.tbsDer.equals(tbsDer))
  const flipped = Buffer.from(tbsDer)
  flipped[flipped.indexOf('www.corp.test')] = 0x78
  for (const damage of [
    { tbsDer: flipped },
    { tbsDer: tbsDer.subarray(0, -1) },
    { serial: `${serial.slice(0, -1)}${serial.endsWith('0') ? '1' : '0'}` },
    { spkiSha256: '00'.repeat(32) },
    { identifiers: [{ type: 'dns', value: 'x.test' }] as const },
    { notAfter: new Date(notAfter.getTime() + 1000) },
  ]) {
    await assert.rejects(prepareStored({ ...record, ...damage }, { requester: { kind: 'server' } }, context), {
      code: 'DEFECTIVE',
    })
  }
  await assert.rejects(prepareStored({ ...record, issuerId: 'other' }, { requester: { kind: 'server' } }, context), {
    code: 'ISSUER_UNFIT',
  })
})
