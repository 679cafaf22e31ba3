import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import { test } from 'node:test'
import { buildTestCsr, der, testExtension } from '../../test/support/test-csr.ts'
import { generateTestKey, type TestAlgorithm } from '../../test/support/test-keys.ts'
import { signSample } from '../../test/support/x509-samples.ts'
import { DerError } from './asn1/der-error.ts'
import { bitString, sequence } from './asn1/writer.ts'
import { parseCertificationRequest, verifyCertificationRequest } from './csr.ts'
import { buildCertificationRequestInfo } from './csr-writer.ts'
import { basicConstraints, extendedKeyUsage, extension, keyUsage } from './extensions.ts'
import { buildName } from './name.ts'
import { OID } from './oids.ts'

const key = generateTestKey()
const EXTENSION_REQUEST = Buffer.from('06092a864886f70d01090e', 'hex')
const MICROSOFT_REQUEST = Buffer.from('060a2b0601040182370201' + '0e', 'hex')
const CHALLENGE_PASSWORD = Buffer.from('06092a864886f70d010907', 'hex')
const SAN = testExtension('0603551d11', der(0x30, der(0x82, Buffer.from('a.example.test'))))

/** A request around any attributes and subject, signed well. */
function withAttributes(attributes: Buffer | undefined, subject: Buffer = der(0x30), version = 0): Buffer {
  const info = der(
    0x30,
    der(0x02, Buffer.of(version)),
    subject,
    key.spkiDer,
    ...(attributes === undefined ? [] : [attributes]),
  )
  return signSample(info, key)
}

const attribute = (oid: Buffer, ...values: Buffer[]): Buffer => der(0x30, oid, der(0x31, ...values))
const subjectWithCn = (tag: number, text: string | Buffer): Buffer =>
  der(0x30, der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(tag, Buffer.from(text)))))

for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'] satisfies TestAlgorithm[]) {
  test(`a request signed with ${algorithm} is read and verified`, () => {
    const signer = generateTestKey(algorithm)
    const request = parseCertificationRequest(
      buildTestCsr(['a.example.test', '10.0.0.1'], signer, { commonName: 'a.example.test' }),
    )
    assert.deepEqual(request.subjectAltNames, [
      { type: 'dns', value: 'a.example.test' },
      { type: 'ip', bytes: Buffer.of(10, 0, 0, 1) },
    ])
    assert.deepEqual(request.commonNames, ['a.example.test'])
    assert.equal(request.requestsCa, false)
    assert.ok(request.publicKey.key.equals(signer.publicKey))
    assert.ok(verifyCertificationRequest(request))
  })
}

test('KF-C15 a request with any one bit flipped is refused or does not verify', () => {
  const good = buildTestCsr(['a.example.test'], key, { commonName: 'a.example.test' })
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good)
    bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8))
    let verified = false
    try {
      verified = verifyCertificationRequest(parseCertificationRequest(bad))
    } catch (error) {
      assert.ok(error instanceof DerError, String(error))
    }
    assert.equal(verified, false, `octet ${at}`)
  }
})

test('KF-C15 the signature is verified over the bytes as received, and a request not in DER is refused even if it was signed so', () => {
  const request = parseCertificationRequest(buildTestCsr(['b.example.test', 'a.example.test'], key))
  assert.ok(request.der.includes(request.tbsDer))
  // The version with a padded length: BER, and truly signed.
  const info = der(0x30, Buffer.from('02810100', 'hex'), der(0x30), key.spkiDer, der(0xa0))
  assert.throws(() => parseCertificationRequest(signSample(info, key)), DerError)
  // A padded length around the whole.
  const inner = buildTestCsr(['a.example.test'], key).subarray(4)
  const padded = Buffer.concat([Buffer.from('308300', 'hex'), Buffer.of(inner.length >> 8, inner.length & 0xff), inner])
  assert.throws(() => parseCertificationRequest(padded), DerError)
})

test('KF-C15 a request signed by another key does not verify', () => {
  const request = parseCertificationRequest(buildTestCsr(['a.example.test'], key, { signWith: generateTestKey() }))
  assert.equal(verifyCertificationRequest(request), false)
})

test('KF-C14 requests signed with SHA-1 or MD5 do not verify, although the signature is right', () => {
  const rsa = generateTestKey('RS256')
  const fixtures: [string, string, typeof key][] = [
    ['sha1', '300d06092a864886f70d0101050500', rsa],
    ['md5', '300d06092a864886f70d0101040500', rsa],
    ['sha1', '300906072a8648ce3d0401', key],
  ]
  for (const [hash, algorithmHex, signer] of fixtures) {
    const info = buildCertificationRequestInfo({ subjectNameDer: buildName([]), spkiDer: signer.spkiDer })
    const weak = sequence(info, Buffer.from(algorithmHex, 'hex'), bitString(sign(hash, info, signer.privateKey)))
    const request = parseCertificationRequest(weak)
    assert.equal(verifyCertificationRequest(request), false, `${hash} ${request.signatureAlgorithmOid}`)
  }
})

test('KF-C14 an RSA signature under an ECDSA algorithm identifier does not verify', () => {
  const rsa = generateTestKey('RS256')
  const info = buildCertificationRequestInfo({ subjectNameDer: buildName([]), spkiDer: rsa.spkiDer })
  const mixed = sequence(
    info,
    Buffer.from('300a06082a8648ce3d040302', 'hex'),
    bitString(sign('sha256', info, rsa.privateKey)),
  )
  assert.equal(verifyCertificationRequest(parseCertificationRequest(mixed)), false)
})

test('signature algorithms with parameters they must not have are refused; RSA may leave the NULL out', () => {
  const rsa = generateTestKey('RS256')
  const info = buildCertificationRequestInfo({ subjectNameDer: buildName([]), spkiDer: rsa.spkiDer })
  const signature = bitString(sign('sha256', info, rsa.privateKey))
  const around = (algorithmHex: string): Buffer => sequence(info, Buffer.from(algorithmHex, 'hex'), signature)
  assert.ok(verifyCertificationRequest(parseCertificationRequest(around('300b06092a864886f70d01010b'))))
  for (const bad of ['300c06082a8648ce3d0403020500', '300706032b65700500', '300e06092a864886f70d01010b020100']) {
    assert.throws(() => parseCertificationRequest(around(bad)), DerError, bad)
  }
})

test('KF-C08 a request for a CA certificate is recognised, by basicConstraints or by keyUsage', () => {
  const asks = (extensions: Buffer[]): boolean =>
    parseCertificationRequest(buildTestCsr(['a.test'], key, { extensions })).requestsCa
  assert.equal(asks([basicConstraints({ ca: true })]), true)
  assert.equal(asks([basicConstraints({ ca: true, pathLen: 0 })]), true)
  assert.equal(asks([keyUsage(['digitalSignature', 'keyCertSign'])]), true)
  assert.equal(asks([keyUsage(['cRLSign'])]), true)
  assert.equal(asks([basicConstraints({ ca: false }), keyUsage(['digitalSignature', 'keyEncipherment'])]), false)
})

test('KF-C08 everything asked for is shown, critical or not, known or not', () => {
  const policies = extension(OID.certificatePolicies, false, Buffer.from('3000', 'hex'))
  const request = parseCertificationRequest(
    buildTestCsr(['a.test'], key, {
      extensions: [
        extendedKeyUsage([OID.anyExtendedKeyUsage]),
        policies,
        extension('1.2.3.4', true, Buffer.of(0xde, 0xad)),
      ],
    }),
  )
  assert.deepEqual(
    request.requestedExtensions.map(({ oid, critical }) => [oid, critical]),
    [
      [OID.subjectAltName, false],
      [OID.extKeyUsage, false],
      [OID.certificatePolicies, false],
      ['1.2.3.4', true],
    ],
  )
  assert.equal(request.requestedExtensions[3]?.value.toString('hex'), 'dead')
})

test('the Microsoft attribute is read like the standard one', () => {
  const request = parseCertificationRequest(withAttributes(der(0xa0, attribute(MICROSOFT_REQUEST, der(0x30, SAN)))))
  assert.deepEqual(request.subjectAltNames, [{ type: 'dns', value: 'a.example.test' }])
})

test('no attributes, an empty set, an empty list of extensions, and foreign attributes all ask for nothing', () => {
  const variants = [
    undefined,
    der(0xa0),
    der(0xa0, attribute(EXTENSION_REQUEST, der(0x30))),
    der(0xa0, attribute(CHALLENGE_PASSWORD, der(0x0c, Buffer.from('secret')))),
  ]
  for (const attributes of variants) {
    const request = parseCertificationRequest(withAttributes(attributes))
    assert.deepEqual(request.subjectAltNames, [])
    assert.deepEqual(request.requestedExtensions, [])
    assert.ok(verifyCertificationRequest(request))
  }
})

test('requests that can be read in two ways are refused', () => {
  const one = attribute(EXTENSION_REQUEST, der(0x30, SAN))
  const plain = parseCertificationRequest(withAttributes(der(0xa0)))
  const algorithm = Buffer.from('300a06082a8648ce3d040302', 'hex')
  assert.ok(parseCertificationRequest(sequence(plain.tbsDer, algorithm, bitString(plain.signature))))
  const bad = {
    'extensions requested twice': withAttributes(der(0xa0, one, one)),
    'a foreign attribute twice': withAttributes(
      der(0xa0, attribute(CHALLENGE_PASSWORD, der(0x0c)), attribute(CHALLENGE_PASSWORD, der(0x0c))),
    ),
    'something behind the signature': sequence(plain.tbsDer, algorithm, bitString(plain.signature), der(0x05)),
    'a signature of half octets': sequence(plain.tbsDer, algorithm, bitString(Buffer.alloc(8), 4)),
    'once in each attribute': withAttributes(der(0xa0, one, attribute(MICROSOFT_REQUEST, der(0x30, SAN)))),
    'two values in one attribute': withAttributes(
      der(0xa0, attribute(EXTENSION_REQUEST, der(0x30, SAN), der(0x30, SAN))),
    ),
    'no value in the attribute': withAttributes(der(0xa0, attribute(EXTENSION_REQUEST))),
    'two subjectAltName extensions': withAttributes(der(0xa0, attribute(EXTENSION_REQUEST, der(0x30, SAN, SAN)))),
    'an empty subjectAltName': buildTestCsr([], key),
    'critical FALSE written out': withAttributes(
      der(
        0xa0,
        attribute(
          EXTENSION_REQUEST,
          der(0x30, der(0x30, Buffer.from('0603551d13010100', 'hex'), der(0x04, der(0x30)))),
        ),
      ),
    ),
    'cA FALSE written out': buildTestCsr(['a.test'], key, {
      extensions: [testExtension('0603551d13', Buffer.from('3003010100', 'hex'))],
    }),
    'version 1': withAttributes(der(0xa0), der(0x30), 1),
    'something behind the attributes': signSample(
      der(0x30, Buffer.from('020100', 'hex'), der(0x30), key.spkiDer, der(0xa0), der(0x05)),
      key,
    ),
    'trailing bytes': Buffer.concat([buildTestCsr(['a.test'], key), Buffer.of(0)]),
  }
  for (const [why, bytes] of Object.entries(bad)) assert.throws(() => parseCertificationRequest(bytes), DerError, why)
})

test('KF-C16 common names are text: odd types, NUL and control characters refuse the request', () => {
  for (const [tag, text] of [
    [0x1e, Buffer.from('0061', 'hex')],
    [0x0c, 'good.test\u0000.evil.test'],
    [0x0c, 'a\u001b[2Jb'],
    [0x13, 'a\r\nb'],
    [0x14, Buffer.of(0xe4)],
    [0x0c, Buffer.of(0xff)],
  ] as const) {
    assert.throws(() => parseCertificationRequest(withAttributes(der(0xa0), subjectWithCn(tag, text))), DerError)
  }
})

test('CQ-F06 an empty common name names nothing, and free text is shown as it is', () => {
  const names = (text: string): readonly string[] =>
    parseCertificationRequest(withAttributes(der(0xa0), subjectWithCn(0x0c, text))).commonNames
  assert.deepEqual(names(''), [])
  assert.deepEqual(names('My höst'), ['My höst'])
})

test('KF-F10 requests over 64 KiB, nested too deep, or claiming a gigabyte are refused', () => {
  let nested: Buffer = Buffer.alloc(0)
  for (let depth = 0; depth < 9000; depth++) nested = der(0x30, nested)
  const bad = {
    'a long one': withAttributes(der(0xa0, attribute(CHALLENGE_PASSWORD, der(0x0c, Buffer.alloc(66_000, 0x61))))),
    'a deep attribute': withAttributes(der(0xa0, attribute(CHALLENGE_PASSWORD, nested))),
    'a deep subject': withAttributes(der(0xa0), nested),
    'a deep one altogether': nested,
    'a gigabyte': Buffer.from('308440000000020100', 'hex'),
  }
  for (const [why, bytes] of Object.entries(bad)) assert.throws(() => parseCertificationRequest(bytes), DerError, why)
})

test('KF-C07 the result does not change when the caller reuses the bytes, and inputs of the writer may be frozen', () => {
  const bytes = buildTestCsr(['a.example.test'], key, { commonName: 'a.example.test' })
  const request = parseCertificationRequest(bytes)
  bytes.fill(0)
  assert.ok(verifyCertificationRequest(request))
  assert.equal(request.publicKey.der.toString('hex'), key.spkiDer.toString('hex'))

  const fields = Object.freeze({
    subjectNameDer: buildName([]),
    spkiDer: key.spkiDer,
    subjectAltNames: Object.freeze([Object.freeze({ type: 'dns' as const, value: 'a.example.test' })]),
    extensions: Object.freeze([basicConstraints({ ca: true, pathLen: 0 })]),
  })
  const written = parseCertificationRequest(signSample(buildCertificationRequestInfo(fields), key))
  assert.deepEqual(written.subjectAltNames, [{ type: 'dns', value: 'a.example.test' }])
  assert.equal(written.requestsCa, true)
  assert.ok(verifyCertificationRequest(written))
})
