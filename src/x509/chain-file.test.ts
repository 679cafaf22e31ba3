import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sampleCa, sampleLeaf } from '../../test/support/x509-samples.ts'
import { encodePem } from '../lib/pem.ts'
import { encodeCertificateChain, readCertificateChain } from './chain-file.ts'
import { basicConstraints } from './extensions.ts'

const root = sampleCa('Root')
const issuing = sampleCa('Issuing', { issuer: root })
const leaf = sampleLeaf(issuing, ['a.example.test'])
const ders = [leaf, issuing.certificate.der, root.certificate.der]
const pem = encodeCertificateChain(ders)

test('KF-C21 a chain is written leaf first, as CERTIFICATE blocks only, each ending in a newline, nothing between', () => {
  assert.match(
    pem,
    /^(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/=]{1,64}\n-----END CERTIFICATE-----\n){3}$/,
  )
  assert.deepEqual(
    readCertificateChain(pem).map(({ der }) => der.toString('hex')),
    ders.map((der) => der.toString('hex')),
  )
})

test('KF-C07 writing a chain takes a frozen list', () => {
  assert.equal(encodeCertificateChain(Object.freeze([...ders])), pem)
})

test('KF-C21 a chain file with a key in it, in the wrong order, with a gap, or with text is refused, saying where', () => {
  const key = encodePem('PRIVATE KEY', Buffer.from('3000', 'hex'))
  assert.throws(() => readCertificateChain(pem + key), /block 4 is a PRIVATE KEY/)
  assert.throws(
    () => readCertificateChain(encodeCertificateChain([...ders].reverse())),
    /certificate 1: .*before its issuer/,
  )
  assert.throws(() => readCertificateChain(encodeCertificateChain([leaf, root.certificate.der])), /certificate 1/)
  assert.throws(() => readCertificateChain(`subject=Root\n${pem}`), /line 1/)
  assert.throws(() => readCertificateChain(pem.slice(0, -5)), /PEM/)
  assert.throws(() => readCertificateChain(''), /no certificate/)
  assert.throws(() => readCertificateChain(encodePem('CERTIFICATE', leaf.subarray(1))), /certificate 1/)
})

test('a chain is not held together by names alone', () => {
  const twin = sampleCa('Issuing', { issuer: root, extensions: [basicConstraints({ ca: true })] })
  assert.throws(
    () => readCertificateChain(encodeCertificateChain([leaf, twin.certificate.der])),
    /signature was not made/,
  )
})
