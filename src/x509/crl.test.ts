import assert from 'node:assert/strict'
import { test } from 'node:test'
import { der } from '../../test/support/test-csr.ts'
import { sampleCa, sampleLeaf, signatureNameOf, signSample } from '../../test/support/x509-samples.ts'
import { DerError } from './asn1/der-error.ts'
import { contextConstructed, integer, sequence, time } from './asn1/writer.ts'
import { parseCertificate } from './certificate.ts'
import { buildTbsCertList, encodeRevokedEntries, parseCertList, type RevokedEntry } from './crl.ts'
import {
  authorityKeyIdentifier,
  crlDistributionPoints,
  crlNumber,
  extension,
  issuingDistributionPoint,
} from './extensions.ts'
import { OID } from './oids.ts'
import { verifySignature } from './signature.ts'

const URL = 'http://crl.example.test/crl/1.crl'
const ca = sampleCa('Test CA')
const THIS_UPDATE = new Date('2026-03-01T12:00:00Z')
const NEXT_UPDATE = new Date('2026-03-02T12:00:00Z')

const envelope = {
  signatureAlgorithm: signatureNameOf(ca.key),
  issuerNameDer: ca.certificate.subjectDer,
  thisUpdate: THIS_UPDATE,
  nextUpdate: NEXT_UPDATE,
  authorityKeyId: ca.keyId,
  number: 7n,
  distributionPointUrl: URL,
  onlyContainsUserCerts: true,
}

const entry = (serial: string, reason = 0, revokedAt = THIS_UPDATE): RevokedEntry => ({ serial, revokedAt, reason })

test('a list comes back with its entries in order and every fact of its frame', () => {
  const entries = [entry('01'), entry('20000000000001', 1), entry('00ff', 4, new Date('2050-01-01T00:00:00Z'))]
  const crl = parseCertList(signSample(buildTbsCertList({ ...envelope, entries }), ca.key))
  assert.deepEqual([...crl.entries()], entries)
  assert.equal(crl.number, 7n)
  assert.equal(crl.thisUpdate.getTime(), THIS_UPDATE.getTime())
  assert.equal(crl.nextUpdate.getTime(), NEXT_UPDATE.getTime())
  assert.ok(crl.authorityKeyId.equals(ca.keyId))
  assert.deepEqual(crl.issuingDistributionPoint, {
    urls: [URL],
    onlyContainsUserCerts: true,
    onlyContainsCaCerts: false,
  })
  assert.equal(crl.extensions.get(OID.issuingDistributionPoint)?.critical, true)
  assert.equal(crl.extensions.get(OID.crlNumber)?.critical, false)
  assert.ok(verifySignature(crl, ca.key.publicKey))
})

test('revokedCertificates is absent when nothing is revoked, however the entries are given', () => {
  const none = buildTbsCertList({ ...envelope, entries: [] })
  assert.ok(none.equals(buildTbsCertList({ ...envelope, encodedEntries: [] })))
  assert.ok(none.equals(buildTbsCertList({ ...envelope, encodedEntries: [encodeRevokedEntries([])] })))
  assert.deepEqual([...parseCertList(signSample(none, ca.key)).entries()], [])
  const afterDates = none.indexOf(time(NEXT_UPDATE)) + time(NEXT_UPDATE).length
  assert.equal(none[afterDates], 0xa0)
})

test('a list encoded in pieces is the same as one encoded at once', () => {
  const entries = Array.from({ length: 2500 }, (_, i) =>
    entry(`7f${i.toString(16).padStart(30, '0')}`, [0, 1, 3, 4, 5, 9][i % 6]),
  )
  const pieces = [entries.slice(0, 1000), entries.slice(1000, 2000), entries.slice(2000)].map(encodeRevokedEntries)
  const tbs = buildTbsCertList({ ...envelope, encodedEntries: pieces })
  assert.ok(tbs.equals(buildTbsCertList({ ...envelope, entries: new Set(entries) })))
  assert.deepEqual([...parseCertList(signSample(tbs, ca.key)).entries()], entries)
})

test('reasonCode is left out for unspecified and written as ENUMERATED otherwise', () => {
  const unspecified = encodeRevokedEntries([entry('01', 0)])
  assert.equal(unspecified.toString('hex'), sequence(integer(1), time(THIS_UPDATE)).toString('hex'))
  const compromised = encodeRevokedEntries([entry('01', 1)])
  assert.ok(compromised.includes(Buffer.from('300c300a0603551d1504030a0101', 'hex')))
})

test('the distribution point is the same bytes in the certificate and in the list', () => {
  const fullName = contextConstructed(0, contextConstructed(0, der(0x86, Buffer.from(URL))))
  const leaf = parseCertificate(sampleLeaf(ca, ['a.test'], { more: [crlDistributionPoints(URL)] }))
  assert.ok(leaf.extensions.get(OID.crlDistributionPoints)?.value.includes(fullName))
  assert.ok(buildTbsCertList({ ...envelope, entries: [] }).includes(fullName))
})

test('KF-C18 the issuer of a list is the subject of its CA byte for byte, whatever string type that uses', () => {
  for (const tag of [0x13, 0x0c]) {
    const subjectNameDer = der(
      0x30,
      der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(tag, Buffer.from('Same Name')))),
    )
    const issuer = sampleCa('', { subjectNameDer })
    const tbs = buildTbsCertList({ ...envelope, issuerNameDer: issuer.certificate.subjectDer, entries: [] })
    assert.equal(parseCertList(signSample(tbs, issuer.key)).issuerDer.toString('hex'), subjectNameDer.toString('hex'))
  }
})

test('KF-C23 serial numbers of up to twenty octets keep every digit', () => {
  const serials = ['20000000000001', `7f${'ff'.repeat(19)}`, '00ffffffffffffffff', '5f00112233445566778899aabbccddee']
  const tbs = buildTbsCertList({ ...envelope, entries: serials.map((serial) => entry(serial)) })
  const read = [...parseCertList(signSample(tbs, ca.key)).entries()]
  assert.deepEqual(
    read.map(({ serial }) => serial),
    serials,
  )
})

test('entries that have no valid encoding are refused', () => {
  for (const serial of ['', '0', '00', 'zz', '80', 'ff01', '007f', '5F', '0x01', `01${'00'.repeat(20)}`, '01\n']) {
    assert.throws(() => encodeRevokedEntries([entry(serial)]), RangeError, JSON.stringify(serial))
  }
  for (const reason of [-1, 7, 8, 11, 1.5, Number.NaN]) {
    assert.throws(() => encodeRevokedEntries([entry('01', reason)]), RangeError, String(reason))
  }
  assert.throws(() => encodeRevokedEntries([entry('01', 0, new Date('2026-01-01T00:00:00.5Z'))]), RangeError)
  assert.throws(() => buildTbsCertList({ ...envelope, entries: [], number: -1n }), RangeError)
  assert.throws(() => buildTbsCertList({ ...envelope, entries: [], number: 2n ** 159n }), RangeError)
  assert.equal(
    parseCertList(signSample(buildTbsCertList({ ...envelope, entries: [], number: 2n ** 159n - 1n }), ca.key)).number,
    2n ** 159n - 1n,
  )
})

test('a list that covers CA certificates too leaves onlyContainsUserCerts out', () => {
  const tbs = buildTbsCertList({ ...envelope, onlyContainsUserCerts: false, entries: [] })
  assert.equal(parseCertList(signSample(tbs, ca.key)).issuingDistributionPoint?.onlyContainsUserCerts, false)
})

test('KF-C07 entries and pieces may be frozen', () => {
  const entries = Object.freeze([Object.freeze(entry('01', 1))])
  const fields = Object.freeze({ ...envelope, encodedEntries: Object.freeze([encodeRevokedEntries(entries)]) })
  assert.deepEqual([...parseCertList(signSample(buildTbsCertList(fields), ca.key)).entries()], [...entries])
})

test('lists that are not as specified, or that we cannot judge, are refused', () => {
  const point = issuingDistributionPoint({ url: URL, onlyContainsUserCerts: true })
  const parts = {
    version: integer(1),
    algorithm: Buffer.from('300a06082a8648ce3d040302', 'hex'),
    issuer: ca.certificate.subjectDer,
    thisUpdate: time(THIS_UPDATE),
    nextUpdate: time(NEXT_UPDATE),
    revoked: sequence(encodeRevokedEntries([entry('01', 1)])),
    extensions: contextConstructed(0, sequence(authorityKeyIdentifier(ca.keyId), crlNumber(1n), point)),
  }
  const crl = (changes: Partial<Record<keyof typeof parts, Buffer>>): Buffer =>
    signSample(sequence(...Object.values({ ...parts, ...changes })), ca.key)
  const withExtensions = (...list: Buffer[]): Buffer => crl({ extensions: contextConstructed(0, sequence(...list)) })
  const idp = (hex: string): Buffer => extension(OID.issuingDistributionPoint, true, Buffer.from(hex, 'hex'))
  assert.equal([...parseCertList(crl({})).entries()].length, 1)
  const keyId = authorityKeyIdentifier(ca.keyId)
  const bad = {
    'an empty revokedCertificates': crl({ revoked: sequence() }),
    'version 1': crl({ version: Buffer.alloc(0) }),
    'no nextUpdate': crl({ nextUpdate: Buffer.alloc(0) }),
    'no extensions': crl({ extensions: Buffer.alloc(0) }),
    'no number': withExtensions(keyId, point),
    'no authority key identifier': withExtensions(crlNumber(1n), point),
    'a repeated extension': withExtensions(keyId, crlNumber(1n), crlNumber(1n)),
    'a negative number': withExtensions(keyId, extension(OID.crlNumber, false, Buffer.from('0201ff', 'hex'))),
    'a delta CRL': withExtensions(keyId, crlNumber(2n), extension('2.5.29.27', true, integer(1))),
    'an empty distribution point': withExtensions(keyId, crlNumber(1n), idp('3000')),
    'a scope that is not critical': withExtensions(
      keyId,
      crlNumber(1n),
      extension(OID.issuingDistributionPoint, false, Buffer.from('30038101ff', 'hex')),
    ),
    'an indirect CRL': withExtensions(keyId, crlNumber(1n), idp('30038401ff')),
    'only some reasons': withExtensions(keyId, crlNumber(1n), idp('300483020640')),
    'user and CA certificates only': withExtensions(keyId, crlNumber(1n), idp('30068101ff8201ff')),
    'FALSE written out': withExtensions(keyId, crlNumber(1n), idp('3003810100')),
    'another algorithm outside': crl({ algorithm: Buffer.from('300a06082a8648ce3d040303', 'hex') }),
    'trailing bytes': Buffer.concat([crl({}), Buffer.of(0)]),
  }
  for (const [why, bytes] of Object.entries(bad)) assert.throws(() => parseCertList(bytes), DerError, why)

  const badEntries = {
    'an entry without a date': sequence(sequence(integer(1))),
    'an empty list of entry extensions': sequence(sequence(integer(1), time(THIS_UPDATE), sequence())),
    'a critical entry extension': sequence(
      sequence(integer(1), time(THIS_UPDATE), sequence(extension('2.5.29.29', true, Buffer.from('3000', 'hex')))),
    ),
    'a reason that is an INTEGER': sequence(
      sequence(integer(1), time(THIS_UPDATE), sequence(extension(OID.reasonCode, false, integer(1)))),
    ),
    'something behind the entry': sequence(sequence(integer(1), time(THIS_UPDATE), integer(1))),
  }
  for (const [why, revoked] of Object.entries(badEntries)) {
    assert.throws(() => [...parseCertList(crl({ revoked })).entries()], DerError, why)
  }
})
