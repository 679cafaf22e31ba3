import assert from 'node:assert/strict'
import { test } from 'node:test'
import { preferredCertificateType } from './certificate-type.ts'

test('CQ-T03 absent, foreign and odd Accept values mean the PEM chain', () => {
  const table = [
    undefined,
    '',
    '*/*',
    'application/json',
    'application/*',
    'application/pem-certificate-chain',
    'application/pem-certificate-chain, application/pkix-cert',
    'application/pkix-cert;q=0.5, */*',
    'application/pkix-cert;q=0',
    'application/pkcs7-mime',
    ',,;;,q=',
    'x'.repeat(100_000),
  ]
  for (const accept of table) assert.equal(preferredCertificateType(accept), 'application/pem-certificate-chain')
})

test('the DER leaf is sent to who prefers it', () => {
  const table = [
    'application/pkix-cert',
    'Application/PKIX-Cert',
    'application/pkix-cert, */*;q=0.1',
    'application/pem-certificate-chain;q=0.5,application/pkix-cert;q=0.9',
    'application/pkix-cert;q=1.000',
  ]
  for (const accept of table) assert.equal(preferredCertificateType(accept), 'application/pkix-cert')
})
