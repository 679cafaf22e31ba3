import { serialOfGenuine } from '../issuance/genuine.ts'
import { decodePem, encodePem } from '../lib/pem.ts'
import type { CertificateRecord } from '../store/records.ts'
import { parseCertificate } from '../x509/certificate.ts'
import type { SubjectPublicKey } from '../x509/spki.ts'

/**
 * The stored leaf in front of its chain, after a last look: the signature is the issuing CA's and the bytes are those
 * that were recorded before signing, so that a row that was damaged since is not served (KF-E12).
 *
 * @param chain PEM, issuing CA first; undefined when this server no longer has that CA
 * @returns the leaf as it is stored, and the PEM chain (RFC 7468, leaf first)
 * @throws {Error} when the row is damaged or its chain is gone
 */
export function verifiedChain(
  found: CertificateRecord,
  chain: string | undefined,
): { readonly leafDer: Buffer; readonly pem: string } {
  const { certificateDer } = found
  const which = `certificate ${found.serial} of issuer ${found.issuerId}`
  if (certificateDer === undefined || chain === undefined || chain === '')
    throw new Error(`There is no chain for ${which}`)
  if (serialOfGenuine(certificateDer, found.tbsDer, issuerKeyOf(chain)) !== found.serial) {
    throw new Error(
      `The stored ${which} is not what was prepared for signing, or does not verify with its issuer; the row is damaged`,
    )
  }
  return { leafDer: certificateDer, pem: encodePem('CERTIFICATE', certificateDer) + chain }
}

/** Chains are few and stay the same while the server runs; reading the key anew costs as much as a verification. */
const issuerKeys = new Map<string, SubjectPublicKey>()
const MAX_ISSUER_KEYS = 64

function issuerKeyOf(chainPem: string): SubjectPublicKey {
  const known = issuerKeys.get(chainPem)
  if (known !== undefined) return known
  const [issuer] = decodePem(chainPem)
  if (issuer === undefined) throw new Error('The chain holds no certificate')
  const { publicKey } = parseCertificate(issuer.der)
  if (issuerKeys.size >= MAX_ISSUER_KEYS) issuerKeys.clear()
  issuerKeys.set(chainPem, publicKey)
  return publicKey
}
