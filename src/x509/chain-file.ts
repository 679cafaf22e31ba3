import { decodePem, encodePem } from '../lib/pem.ts'
import { type ParsedCertificate, parseCertificate } from './certificate.ts'
import { checkIssuedBy } from './path.ts'

/**
 * Reads a file of certificates, each issued by the next one (KF-C21). One certificate alone is a chain too.
 *
 * @param pem strict PEM: see `decodePem`
 * @throws {Error} saying which block is not a certificate, or not issued by the next
 */
export function readCertificateChain(pem: string): ParsedCertificate[] {
  const chain = decodePem(pem).map(({ label, der }, index) => {
    if (label !== 'CERTIFICATE') throw new Error(`block ${index + 1} is a ${label}; a chain holds certificates only`)
    return readCertificate(der, index)
  })
  if (chain.length === 0) throw new Error('the file holds no certificate')
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1]
    const [fault] = issuer === undefined ? [] : checkIssuedBy(certificate, issuer)
    if (fault !== undefined) throw new Error(`certificate ${index + 1}: ${fault}; put each one before its issuer`)
  }
  return chain
}

function readCertificate(der: Uint8Array, index: number): ParsedCertificate {
  try {
    return parseCertificate(der)
  } catch (cause) {
    throw new Error(`certificate ${index + 1}: ${cause instanceof Error ? cause.message : 'malformed'}`, { cause })
  }
}

/** The certificates as `application/pem-certificate-chain` in the given order (RFC 8555 §9.1, CQ-C02). */
export function encodeCertificateChain(ders: readonly Uint8Array[]): string {
  return ders.map((der) => encodePem('CERTIFICATE', der)).join('')
}
