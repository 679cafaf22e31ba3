import { checkPublicKey } from '../policy/key-policy.ts'
import { DerError } from '../x509/asn1/der-error.ts'
import type { CertificationRequest } from '../x509/csr.ts'
import { parseCertificationRequest, verifyCertificationRequest } from '../x509/csr.ts'
import type { AcmeDirectory, AcmeServices } from './endpoint.ts'
import { AcmeError } from './problem.ts'

/**
 * Reads a CSR and checks what needs no order: strict DER to the last byte, its signature over the bytes as they came,
 * and no wish to be a CA. Every other extension it asks for is ignored, because nothing but the key is taken from a
 * CSR (KF-C08, CQ-F07).
 *
 * @throws {AcmeError} `badCSR`
 */
export function readCsr(der: Buffer): CertificationRequest {
  const csr = parseCsr(der)
  if (csr.requestsCa)
    throw new AcmeError(
      'badCSR',
      'The CSR asks for a CA certificate (cA in basicConstraints, or keyCertSign or cRLSign in keyUsage), which is never issued',
    )
  if (!verifyCertificationRequest(csr)) {
    throw new AcmeError(
      'badCSR',
      'The signature of the CSR does not verify with its key, or uses SHA-1, MD5 or an algorithm not supported',
    )
  }
  return csr
}

function parseCsr(der: Buffer): CertificationRequest {
  try {
    return parseCertificationRequest(der)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    throw new AcmeError('badCSR', `The CSR is not a PKCS#10 request in DER with a supported key: ${error.message}`, {
      cause: error,
    })
  }
}

/**
 * Whether this directory takes the key of the CSR: strong enough for it, and not an account's (RFC 8555 §11.1, KF-B13).
 * Whether it was reported as compromised (KF-C13) is asked for every front end, in the commit that claims the order.
 *
 * @throws {AcmeError} `badCSR`
 */
export async function checkCsrKey(
  csr: CertificationRequest,
  directory: AcmeDirectory,
  services: Pick<AcmeServices, 'store'>,
): Promise<void> {
  const faults = checkPublicKey(csr.publicKey, directory.keyRules)
  if (faults.length > 0) throw new AcmeError('badCSR', `The key of the CSR is not acceptable: ${faults.join('; ')}`)
  if (await services.store.accounts.isAccountKey(csr.publicKey.sha256)) {
    throw new AcmeError('badCSR', 'The CSR uses an account key; make a new key for the certificate (RFC 8555 §11.1)')
  }
}
