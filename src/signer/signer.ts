/** The algorithms that Chancery signs with, as rows of one table: see `x509/algorithms.ts`. */
import type { SignatureAlgorithmName } from '../x509/algorithms.ts'

/**
 * A private key that can be used and not read. The backend may be a file, a token or a service; nothing else in
 * Chancery holds key material.
 */
export interface SigningKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spkiDer: Buffer
  readonly algorithm: SignatureAlgorithmName
  /**
   * Signs `message` (the algorithm hashes it) and returns the value of the X.509 signature BIT STRING
   * (ECDSA: DER SEQUENCE of r and s).
   *
   * @throws {SignerError}
   */
  sign(message: Uint8Array): Promise<Buffer>
}

export class SignerError extends Error {
  readonly code: 'KEY_NOT_FOUND' | 'KEY_UNREADABLE' | 'KEY_EXPOSED' | 'UNAVAILABLE'
  constructor(code: SignerError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
