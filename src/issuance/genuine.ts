import { hash } from 'node:crypto'
import { parseCertificateFrame } from '../x509/certificate.ts'
import { verifySignature } from '../x509/signature.ts'
import type { SubjectPublicKey } from '../x509/spki.ts'

/** Certificates are fetched soon after they are issued; what came to be forgotten is verified again. */
const REMEMBERED = 8_192

/** Serials by a digest over all that the answer depends on, of certificates found genuine; the oldest go first. */
const known = new Map<string, string>()

/**
 * Verifies that a certificate is exactly these to-be-signed bytes under a signature by this key (KF-E12). What the bytes
 * say was read and judged before they were stored to be signed.
 *
 * Finding it genuine is remembered by the SHA-256 of everything that the answer depends on, so that a certificate is
 * verified once in the life of a process and fetched without that cost: bytes of the same hash are the same bytes. One
 * that was damaged since has another hash, and is verified, and refused. Never throws.
 *
 * @returns the serial, lower-case hex, or undefined when the certificate is not genuine
 */
export function serialOfGenuine(
  certificateDer: Uint8Array,
  tbsDer: Uint8Array,
  issuerKey: SubjectPublicKey,
): string | undefined {
  const about = `${hash('sha256', certificateDer, 'base64')}${hash('sha256', tbsDer, 'base64')}${issuerKey.sha256}`
  const remembered = known.get(about)
  if (remembered !== undefined) return remembered
  const serial = verified(certificateDer, tbsDer, issuerKey)
  if (serial === undefined) return undefined
  if (known.size >= REMEMBERED) known.delete(known.keys().next().value as string)
  known.set(about, serial)
  return serial
}

function verified(certificateDer: Uint8Array, tbsDer: Uint8Array, issuerKey: SubjectPublicKey): string | undefined {
  try {
    const certificate = parseCertificateFrame(certificateDer)
    const isSound = certificate.tbsDer.equals(tbsDer) && verifySignature(certificate, issuerKey)
    return isSound ? certificate.serialHex : undefined
  } catch {
    return undefined
  }
}
