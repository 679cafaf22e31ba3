import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { der } from '../../test/support/test-csr.ts'
import { generateTestKey } from '../../test/support/test-keys.ts'
import {
  SAMPLE_NOT_AFTER,
  SAMPLE_NOT_BEFORE,
  sampleCa,
  sampleLeaf,
  signSample,
} from '../../test/support/x509-samples.ts'
import { DerError } from './asn1/der-error.ts'
import { bitString, contextConstructed, integer, sequence, time } from './asn1/writer.ts'
import { parseCertificate, parseTbsCertificate } from './certificate.ts'
import * as extensions from './extensions.ts'
import { buildName } from './name.ts'
import { OID } from './oids.ts'
import { verifySignature } from './signature.ts'
import { buildTbsCertificate } from './tbs-certificate.ts'

const ca = sampleCa('Test CA')

test('a leaf comes back with everything that was put into it', () => {
  const key = generateTestKey()
  const bytes = sampleLeaf(ca, ['a.example.test'], {
    key,
    more: [
      extensions.crlDistributionPoints('http://crl.example.test/1.crl'),
      extensions.authorityInfoAccess({ caIssuers: 'http://crl.example.test/1.der', ocsp: 'http://ocsp.example.test' }),
    ],
  })
  const leaf = parseCertificate(bytes)
  assert.equal(leaf.serialHex, '5f00112233445566778899aabbccddee')
  assert.equal(leaf.notBefore.getTime(), SAMPLE_NOT_BEFORE.getTime())
  assert.equal(leaf.notAfter.getTime(), SAMPLE_NOT_AFTER.getTime())
  assert.deepEqual(leaf.basicConstraints, { ca: false })
  assert.deepEqual([...(leaf.keyUsage ?? [])], ['digitalSignature'])
  assert.deepEqual(leaf.extendedKeyUsage, [OID.serverAuth])
  assert.deepEqual(leaf.subjectAltNames, [{ type: 'dns', value: 'a.example.test' }])
  assert.deepEqual(leaf.crlDistributionPoints, ['http://crl.example.test/1.crl'])
  assert.deepEqual(leaf.authorityInfoAccess, {
    caIssuers: ['http://crl.example.test/1.der'],
    ocsp: ['http://ocsp.example.test'],
  })
  assert.ok(leaf.authorityKeyId?.equals(ca.keyId))
  assert.ok(leaf.publicKey.key.equals(key.publicKey))
  assert.equal(leaf.extensions.get(OID.subjectAltName)?.critical, true)
  assert.ok(verifySignature(leaf, ca.certificate.publicKey))
  assert.equal(verifySignature(leaf, key.publicKey), false)
  assert.ok(new X509Certificate(bytes).verify(ca.key.publicKey))
})

test('absent extensions are absent properties, not undefined ones', () => {
  const bare = parseCertificate(sampleLeaf(ca, [], { extensions: [extensions.basicConstraints({ ca: false })] }))
  for (const name of ['keyUsage', 'extendedKeyUsage', 'subjectKeyId', 'authorityKeyId', 'nameConstraints']) {
    assert.equal(name in bare, false, name)
  }
  assert.deepEqual(bare.subjectAltNames, [])
  assert.deepEqual(bare.crlDistributionPoints, [])
})

test('KF-C18 the issuer of a leaf is the subject of its CA byte for byte, whatever string type that uses', () => {
  for (const tag of [0x13, 0x0c]) {
    const subjectNameDer = der(
      0x30,
      der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(tag, Buffer.from('Same Name')))),
    )
    const issuer = sampleCa('', { subjectNameDer })
    const leaf = parseCertificate(sampleLeaf(issuer, ['a.example.test']))
    assert.equal(leaf.issuerDer.toString('hex'), subjectNameDer.toString('hex'))
    assert.equal(leaf.authorityKeyId?.toString('hex'), issuer.certificate.subjectKeyId?.toString('hex'))
  }
})

test('KF-C23 serial numbers above 2^53 and with a high bit keep every digit', () => {
  for (const hex of ['20000000000001', '00ff112233445566778899aabbccddeeff', `7f${'ab'.repeat(19)}`, '01']) {
    const leaf = parseCertificate(sampleLeaf(ca, ['a.test'], { fields: { serial: Buffer.from(hex, 'hex') } }))
    assert.equal(leaf.serialHex, hex)
    assert.equal(new X509Certificate(leaf.der).serialNumber.toLowerCase(), hex.replace(/^00/, ''))
  }
})

test('serial numbers that RFC 5280 does not allow cannot be written', () => {
  for (const hex of ['', '00', 'ff', '80', '007f', `01${'00'.repeat(20)}`, `00ff${'00'.repeat(19)}`]) {
    assert.throws(() => sampleLeaf(ca, ['a.test'], { fields: { serial: Buffer.from(hex, 'hex') } }), RangeError, hex)
  }
})

test('serial numbers that are negative or too long are refused on reading; zero is left to the lints', () => {
  const template = parseCertificate(sampleLeaf(ca, ['a.test'])).tbsDer
  const old = integer(Buffer.from('5f00112233445566778899aabbccddee', 'hex'))
  const withSerial = (serial: Buffer): Buffer => {
    const at = template.indexOf(old)
    return der(0x30, template.subarray(4, at), serial, template.subarray(at + old.length))
  }
  assert.equal(parseTbsCertificate(withSerial(der(0x02, Buffer.of(0)))).serialHex, '00')
  for (const content of ['ff', '80', `01${'00'.repeat(20)}`, '0001', '']) {
    assert.throws(() => parseTbsCertificate(withSerial(der(0x02, Buffer.from(content, 'hex')))), DerError, content)
  }
})

test('a certificate that names one signature algorithm inside and another outside is refused', () => {
  const leaf = parseCertificate(sampleLeaf(ca, ['a.test']))
  const forged = sequence(leaf.tbsDer, Buffer.from('300a06082a8648ce3d040303', 'hex'), bitString(leaf.signature))
  assert.throws(() => parseCertificate(forged), /differ/)
})

test('structures that are not as specified are refused', () => {
  const good = parseCertificate(sampleLeaf(ca, ['a.test']))
  const name = buildName([])
  const parts = {
    version: contextConstructed(0, integer(2)),
    serial: integer(1),
    algorithm: Buffer.from('300a06082a8648ce3d040302', 'hex'),
    issuer: ca.certificate.subjectDer,
    validity: sequence(time(SAMPLE_NOT_BEFORE), time(SAMPLE_NOT_AFTER)),
    subject: name,
    spki: ca.key.spkiDer,
    extensions: contextConstructed(3, sequence(extensions.basicConstraints({ ca: false }))),
  }
  const tbs = (changes: Partial<Record<keyof typeof parts, Buffer>>, ...more: Buffer[]): Buffer =>
    sequence(...Object.values({ ...parts, ...changes }), ...more)
  assert.ok(parseTbsCertificate(tbs({})))
  const twice = extensions.keyUsage(['digitalSignature'])
  const list = (...items: Buffer[]): Buffer => contextConstructed(3, sequence(...items))
  const bad = {
    'version 1 left out': tbs({ version: Buffer.alloc(0) }),
    'version 2': tbs({ version: contextConstructed(0, integer(1)) }),
    'a repeated extension': tbs({ extensions: list(twice, twice) }),
    'an empty list of extensions': tbs({ extensions: list() }),
    'unique identifiers': tbs({
      subject: Buffer.concat([name, parts.spki, der(0x81, Buffer.of(0, 1))]),
      spki: Buffer.alloc(0),
    }),
    'GeneralizedTime before 2050': tbs({
      validity: sequence(der(0x18, Buffer.from('20260301000000Z')), time(SAMPLE_NOT_AFTER)),
    }),
    'one date': tbs({ validity: sequence(time(SAMPLE_NOT_BEFORE)) }),
    'something at the end': tbs({}, integer(1)),
    'critical FALSE written out': tbs({
      extensions: list(der(0x30, Buffer.from('0603551d130101000402' + '3000', 'hex'))),
    }),
    'cA FALSE written out': tbs({
      extensions: list(extensions.extension(OID.basicConstraints, true, Buffer.from('3003010100', 'hex'))),
    }),
    'a path length without cA': tbs({
      extensions: list(extensions.extension(OID.basicConstraints, true, Buffer.from('3003020100', 'hex'))),
    }),
    'a negative path length': tbs({
      extensions: list(extensions.extension(OID.basicConstraints, true, Buffer.from('30060101ff0201ff', 'hex'))),
    }),
    'keyUsage without a bit': tbs({
      extensions: list(extensions.extension(OID.keyUsage, true, Buffer.from('030100', 'hex'))),
    }),
    'keyUsage with trailing zero bits': tbs({
      extensions: list(extensions.extension(OID.keyUsage, true, Buffer.from('03020080', 'hex'))),
    }),
    'keyUsage with an unknown bit': tbs({
      extensions: list(extensions.extension(OID.keyUsage, true, Buffer.from('0303060040', 'hex'))),
    }),
    'empty extKeyUsage': tbs({
      extensions: list(extensions.extension(OID.extKeyUsage, false, Buffer.from('3000', 'hex'))),
    }),
    'bytes behind an extension value': tbs({
      extensions: list(extensions.extension(OID.subjectKeyIdentifier, false, Buffer.from('04010000', 'hex'))),
    }),
  }
  for (const [why, bytes] of Object.entries(bad)) assert.throws(() => parseTbsCertificate(bytes), DerError, why)
  assert.throws(() => parseCertificate(Buffer.concat([good.der, Buffer.of(0)])), DerError)
  assert.throws(() => parseCertificate(good.tbsDer), DerError)
  assert.throws(() => parseCertificate(Buffer.alloc(70_000, 0x30)), DerError)
})

test('keyUsage names each of its nine bits, and writes none that are zero at the end', () => {
  for (const [index, bit] of extensions.KEY_USAGE_BITS.entries()) {
    const tbs = parseCertificate(sampleLeaf(ca, [], { extensions: [extensions.keyUsage([bit])] }))
    assert.deepEqual([...(tbs.keyUsage ?? [])], [bit])
    assert.equal(tbs.extensions.get(OID.keyUsage)?.value.length, index < 8 ? 4 : 5)
  }
})

test('an authority key identifier that also names issuer and serial, as old roots have it, is read', () => {
  const old = extensions.extension(
    OID.authorityKeyIdentifier,
    false,
    der(0x30, der(0x80, ca.keyId), der(0xa1, der(0xa4, ca.certificate.subjectDer)), der(0x82, Buffer.of(1))),
  )
  assert.ok(parseCertificate(sampleLeaf(ca, [], { extensions: [old] })).authorityKeyId?.equals(ca.keyId))
})

test("KF-C07 fields and lists may be frozen, and what was parsed does not change with the caller's bytes", () => {
  const fields = Object.freeze({
    serial: Buffer.of(1),
    signatureAlgorithm: 'ecdsa-with-SHA256' as const,
    issuerNameDer: ca.certificate.subjectDer,
    notBefore: Object.freeze(new Date(SAMPLE_NOT_BEFORE)),
    notAfter: Object.freeze(new Date(SAMPLE_NOT_AFTER)),
    subjectNameDer: buildName([]),
    spkiDer: ca.key.spkiDer,
    extensions: Object.freeze([
      extensions.keyUsage(Object.freeze(['digitalSignature', 'keyAgreement'] as const)),
      extensions.extendedKeyUsage(Object.freeze([OID.serverAuth])),
      extensions.subjectAltName(Object.freeze([Object.freeze({ type: 'dns' as const, value: 'a.test' })]), true),
    ]),
  })
  const bytes = signSample(buildTbsCertificate(fields), ca.key)
  const parsed = parseCertificate(bytes)
  bytes.fill(0xff)
  assert.ok(verifySignature(parsed, ca.key.publicKey))
  assert.deepEqual(parsed.subjectAltNames, [{ type: 'dns', value: 'a.test' }])
})

test('dates from 2050 on, and the date without an end, round-trip', () => {
  const fields = { notBefore: new Date('2049-12-31T23:59:59Z'), notAfter: new Date('9999-12-31T23:59:59Z') }
  const leaf = parseCertificate(sampleLeaf(ca, ['a.test'], { fields }))
  assert.deepEqual([leaf.notBefore, leaf.notAfter], [fields.notBefore, fields.notAfter])
})

test('builders refuse what has no valid encoding', () => {
  assert.throws(() => extensions.basicConstraints({ ca: false, pathLen: 0 }), RangeError)
  assert.throws(() => extensions.keyUsage([]), RangeError)
  assert.throws(() => extensions.extendedKeyUsage([]), RangeError)
  assert.throws(() => extensions.authorityInfoAccess({}), RangeError)
  assert.throws(() => extensions.crlDistributionPoints('http://ä.test/'), RangeError)
  assert.throws(() => sampleLeaf(ca, ['a.test'], { fields: { extensions: [] } }), RangeError)
  assert.throws(
    () => sampleLeaf(ca, ['a.test'], { fields: { notBefore: new Date('2026-01-01T00:00:00.5Z') } }),
    RangeError,
  )
})
