import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { buildTestCsr } from '../../test/support/test-csr.ts'
import { generateTestKey, type TestAlgorithm } from '../../test/support/test-keys.ts'
import { sampleCa, sampleLeaf, signatureNameOf, signSample } from '../../test/support/x509-samples.ts'
import { DerError } from './asn1/der-error.ts'
import { parseCertificate } from './certificate.ts'
import { buildTbsCertList, parseCertList } from './crl.ts'
import { parseCertificationRequest, verifyCertificationRequest } from './csr.ts'
import * as extensions from './extensions.ts'
import { buildName, parseName } from './name.ts'
import { OID } from './oids.ts'
import { verifySignature } from './signature.ts'
import { parseSubjectPublicKey } from './spki.ts'

/** The same mutations in every run: a counter, hashed. */
function seeded(seed: string): (below: number) => number {
  let counter = 0
  return (below) => createHash('sha256').update(`${seed} ${counter++}`).digest().readUInt32BE(0) % below
}

const INTERESTING = [0x00, 0x01, 0x02, 0x05, 0x1e, 0x1f, 0x24, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xa0, 0xff]

function mutate(original: Buffer, pick: (below: number) => number): Buffer {
  let bytes = Buffer.from(original)
  for (let change = 0; change <= pick(3); change++) {
    const at = pick(bytes.length || 1)
    const length = pick(8)
    switch (pick(6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8))
        break
      case 1:
        bytes[at] = INTERESTING[pick(INTERESTING.length)] ?? 0
        break
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
        break
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)])
        break
      case 4:
        bytes = bytes.subarray(0, at)
        break
      default:
        // A length octet shifted by one, which keeps much of the structure and moves a boundary.
        bytes[at] = (bytes[at] ?? 0) + (pick(2) === 0 ? 1 : 255)
    }
  }
  return bytes
}

const ca = sampleCa('Test CA', {
  more: [extensions.nameConstraints({ permitted: { dns: ['example.test'], ip: ['10.0.0.0/8', 'fd00::/8'] } })],
})
const leaf = sampleLeaf(ca, ['a.example.test', '*.b.example.test'], {
  subjectNameDer: buildName([
    { type: 'O', value: 'Müller' },
    { type: 'CN', value: 'a.example.test' },
  ]),
  more: [
    extensions.crlDistributionPoints('http://crl.example.test/1.crl'),
    extensions.authorityInfoAccess({ caIssuers: 'http://crl.example.test/1.der' }),
  ],
})
const crl = signSample(
  buildTbsCertList({
    signatureAlgorithm: signatureNameOf(ca.key),
    issuerNameDer: ca.certificate.subjectDer,
    thisUpdate: new Date('2026-03-01T12:00:00Z'),
    nextUpdate: new Date('2026-03-02T12:00:00Z'),
    entries: [{ serial: '01', revokedAt: new Date('2026-03-01T11:00:00Z'), reason: 1 }],
    authorityKeyId: ca.keyId,
    number: 5n,
    distributionPointUrl: 'http://crl.example.test/1.crl',
    onlyContainsUserCerts: true,
  }),
  ca.key,
)
const request = (algorithm: TestAlgorithm): Buffer =>
  buildTestCsr(['a.example.test', '10.0.0.1'], generateTestKey(algorithm), {
    commonName: 'a.example.test',
    extensions: [extensions.basicConstraints({ ca: false }), extensions.extendedKeyUsage([OID.serverAuth])],
  })

/** Each takes hostile bytes all the way: what is lazy is asked for too. */
const TARGETS: Readonly<Record<string, { sample: Buffer; read: (bytes: Buffer) => unknown }>> = {
  'a leaf': { sample: leaf, read: readCertificateWhole },
  'a CA certificate with name constraints': { sample: ca.certificate.der, read: readCertificateWhole },
  'an RSA certificate': {
    sample: sampleLeaf(ca, ['a.test'], { key: generateTestKey('RS256') }),
    read: readCertificateWhole,
  },
  'an Ed25519 certificate': {
    sample: sampleLeaf(ca, ['a.test'], { key: generateTestKey('EdDSA') }),
    read: readCertificateWhole,
  },
  'a request with an EC key': { sample: request('ES256'), read: readRequestWhole },
  'a request with an RSA key': { sample: request('RS256'), read: readRequestWhole },
  'a request with an Ed25519 key': { sample: request('EdDSA'), read: readRequestWhole },
  'a list': { sample: crl, read: (bytes) => [...parseCertList(bytes).entries()] },
  'a name': {
    sample: buildName([
      { type: 'C', value: 'DE' },
      { type: 'CN', value: 'Müller' },
    ]),
    read: parseName,
  },
}

function readCertificateWhole(bytes: Buffer): void {
  const certificate = parseCertificate(bytes)
  parseName(certificate.subjectDer)
  void certificate.publicKey.key
  verifySignature(certificate, certificate.publicKey)
}

function readRequestWhole(bytes: Buffer): void {
  const parsed = parseCertificationRequest(bytes)
  void parsed.publicKey.key
  verifyCertificationRequest(parsed)
}

const ROUNDS = 4000

for (const [what, { sample, read }] of Object.entries(TARGETS)) {
  test(`KF-C16 ${what} mutated ${ROUNDS} times ends in a value or a DerError, never in anything else`, () => {
    const pick = seeded(what)
    let refused = 0
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = mutate(sample, pick)
      try {
        read(bytes)
      } catch (error) {
        assert.ok(error instanceof DerError, `${String(error)} for ${bytes.toString('hex')}`)
        refused++
      }
    }
    assert.ok(refused > ROUNDS / 10, `only ${refused} were refused: the mutations do not reach the parser`)
  })
}

test('KF-C16 every truncation of every sample is refused', () => {
  for (const [what, { sample, read }] of Object.entries(TARGETS)) {
    for (let length = 0; length < sample.length; length++) {
      assert.throws(() => read(sample.subarray(0, length)), DerError, `${what}, ${length} octets`)
    }
  }
})

test('KF-B23 a public key that the parser accepts is one that the cryptographic library accepts', () => {
  const pick = seeded('keys')
  for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'] satisfies TestAlgorithm[]) {
    const { spkiDer } = generateTestKey(algorithm)
    for (let round = 0; round < 1000; round++) {
      let key: ReturnType<typeof parseSubjectPublicKey>
      try {
        key = parseSubjectPublicKey(mutate(spkiDer, pick))
      } catch (error) {
        assert.ok(error instanceof DerError, String(error))
        continue
      }
      assert.equal(key.key.type, 'public')
    }
  }
})
