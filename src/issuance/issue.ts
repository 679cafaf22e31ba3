import type { Metrics } from '../observe/metrics.ts'
import { assembleSigned } from '../x509/tbs-certificate.ts'
import { serialOfGenuine } from './genuine.ts'
import { IssuanceError } from './issuance-error.ts'
import type { IssuanceToken } from './prepare.ts'
import { spendToken } from './prepare.ts'

/**
 * Spends a token: signs the bytes it stands for, reads the certificate back and verifies the signature with the
 * issuer's public key. The bytes must be in the store before this is called.
 *
 * @returns the certificate, DER
 * @throws {SignerError} when the key could not be used; the token is spent all the same
 * @throws {IssuanceError} `TOKEN_SPENT` or `BAD_SIGNATURE`
 */
export async function issue(token: IssuanceToken, options: { readonly metrics?: Metrics } = {}): Promise<Buffer> {
  const { tbsDer, issuer } = spendToken(token)
  options.metrics?.count('chancery_signatures_total', { purpose: 'certificate' })
  const signature = await issuer.key.sign(tbsDer)
  const certificateDer = assembleSigned(tbsDer, issuer.key.algorithm, signature)
  if (serialOfGenuine(certificateDer, tbsDer, issuer.certificate.publicKey) === undefined) {
    throw new IssuanceError(
      'BAD_SIGNATURE',
      `the signer of issuer ${issuer.name} answered with a signature that its public key does not confirm`,
    )
  }
  return certificateDer
}
