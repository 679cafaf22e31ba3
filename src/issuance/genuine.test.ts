import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTestAuthority } from '../../test/support/test-authority.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { serialOfGenuine } from './genuine.ts'

test('KF-E12 a certificate that was found genuine stays so, and no changed bit of it or of its record passes after it', async () => {
  const { root, issuingCa } = await makeTestAuthority()
  const certificate = parseCertificate(issuingCa.certificateDer)
  const { publicKey } = parseCertificate(root.certificateDer)
  const look = (der: Buffer, tbs: Buffer = certificate.tbsDer) => serialOfGenuine(der, tbs, publicKey)
  assert.equal(look(certificate.der), certificate.serialHex)
  assert.equal(look(certificate.der), certificate.serialHex)
  for (let at = 0; at < certificate.der.length; at += 7) {
    assert.equal(look(flipped(certificate.der, at)), undefined, `octet ${at} of the certificate`)
  }
  for (let at = 0; at < certificate.tbsDer.length; at += 31) {
    assert.equal(look(certificate.der, flipped(certificate.tbsDer, at)), undefined, `octet ${at} of the record`)
  }
  assert.equal(look(certificate.der), certificate.serialHex)
})

test('a certificate that is genuine by one key is not by another', async () => {
  const { root, issuingCa } = await makeTestAuthority()
  const certificate = parseCertificate(issuingCa.certificateDer)
  const ownKey = parseCertificate(root.certificateDer).publicKey
  assert.equal(serialOfGenuine(certificate.der, certificate.tbsDer, ownKey), certificate.serialHex)
  assert.equal(serialOfGenuine(certificate.der, certificate.tbsDer, certificate.publicKey), undefined)
})

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}
