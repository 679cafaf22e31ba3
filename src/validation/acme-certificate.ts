import { DerError } from '../x509/asn1/der-error.ts'
import { type ParsedCertificate, parseCertificate } from '../x509/certificate.ts'
import { OID } from '../x509/oids.ts'
import { verifySignature } from '../x509/signature.ts'
import { sameBytes } from './key-authorization.ts'
import type { Host } from './target.ts'

/** DER of `OCTET STRING (SIZE (32))`: tag and length; the digest follows (RFC 8737 §3). */
const DIGEST_HEADER = Buffer.of(0x04, 0x20)

/**
 * What is wrong with the certificate that a tls-alpn-01 responder showed, or undefined when it proves control of
 * `host` (RFC 8737 §3, RFC 8738 §6, KF-A16): self-signed, exactly one name and that of the right form, and the one
 * critical acmeIdentifier with the digest. A repeated extension does not parse. Dates and chain are no part of it.
 */
export function faultOfAcmeCertificate(der: Uint8Array, host: Host, digest: Buffer): string | undefined {
  let certificate: ParsedCertificate
  try {
    certificate = parseCertificate(der)
    if (!isSelfSigned(certificate)) return 'it is not self-signed'
    if (!namesOnly(certificate, host)) return `its subjectAltName does not hold exactly one ${describe(host)}`
  } catch (error) {
    if (error instanceof DerError) return `it cannot be read (${error.message})`
    throw error
  }
  const acmeIdentifier = certificate.extensions.get(OID.acmeIdentifier)
  if (acmeIdentifier === undefined) return 'it has no acmeIdentifier extension (1.3.6.1.5.5.7.1.31)'
  if (!acmeIdentifier.critical) return 'its acmeIdentifier extension is not critical'
  if (!sameBytes(acmeIdentifier.value, Buffer.concat([DIGEST_HEADER, digest]))) {
    return 'its acmeIdentifier extension does not hold the digest of the key authorization'
  }
  return undefined
}

function isSelfSigned(certificate: ParsedCertificate): boolean {
  return certificate.issuerDer.equals(certificate.subjectDer) && verifySignature(certificate, certificate.publicKey)
}

function namesOnly(certificate: ParsedCertificate, host: Host): boolean {
  const [name, ...others] = certificate.subjectAltNames
  if (name === undefined || others.length > 0) return false
  if (host.type === 'ip') return name.type === 'ip' && sameBytes(name.bytes, host.bytes)
  return name.type === 'dns' && name.value.toLowerCase() === host.name
}

function describe(host: Host): string {
  return host.type === 'ip' ? `iPAddress, ${host.address}` : `dNSName, ${host.name}`
}
