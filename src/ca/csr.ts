import { encodePem } from '../lib/pem.ts'
import type { SigningKey } from '../signer/signer.ts'
import { parseCertificationRequest, verifyCertificationRequest } from '../x509/csr.ts'
import { buildCertificationRequestInfo } from '../x509/csr-writer.ts'
import { basicConstraints, keyUsage } from '../x509/extensions.ts'
import { assembleSigned } from '../x509/tbs-certificate.ts'
import type { CaSubject } from './ca-certificate.ts'
import { CeremonyError, caSubjectDer } from './ca-certificate.ts'

/**
 * A PKCS#10 request (RFC 2986) for an issuing CA whose root lives elsewhere. It asks for a CA certificate with path
 * length 0, so that a root operator's tool shows what it is about.
 *
 * @throws {CeremonyError}
 */
export async function issuingCaCsr(
  options: CaSubject & { readonly key: SigningKey },
): Promise<{ readonly csrDer: Buffer; readonly csrPem: string }> {
  const info = buildCertificationRequestInfo({
    subjectNameDer: caSubjectDer(options),
    spkiDer: options.key.spkiDer,
    extensions: [basicConstraints({ ca: true, pathLen: 0 }), keyUsage(['keyCertSign', 'cRLSign'])],
  })
  const csrDer = assembleSigned(info, options.key.algorithm, await options.key.sign(info))
  if (!verifyCertificationRequest(parseCertificationRequest(csrDer))) {
    throw new CeremonyError('the request does not verify with its own key; the signer answered with something else')
  }
  return { csrDer, csrPem: encodePem('CERTIFICATE REQUEST', csrDer) }
}
