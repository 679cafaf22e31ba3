import { createHash, X509Certificate } from 'node:crypto'
import { decodePem } from '../lib/pem.ts'
import { HomeError } from './home.ts'

/**
 * What people compare to know a certificate.
 *
 * @param pem of exactly one certificate
 * @throws {HomeError} when it is not one
 */
export function fingerprintOf(pem: string): {
  readonly fingerprint: string
  readonly subject: string
  readonly notAfter: Date
} {
  try {
    const [block, ...more] = decodePem(pem)
    if (block?.label !== 'CERTIFICATE' || more.length > 0) throw new Error('it must hold exactly one certificate')
    const certificate = new X509Certificate(block.der)
    const hex = createHash('sha256').update(block.der).digest('hex').toUpperCase()
    return {
      fingerprint: (hex.match(/../g) ?? []).join(':'),
      subject: certificate.subject.split('\n').reverse().join(', '),
      notAfter: new Date(certificate.validTo),
    }
  } catch (cause) {
    throw new HomeError(`root.pem cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
