import type { Lint } from '../lint.ts'

/** The last look at the key itself: RSA of 2048 bits or more in whole octets with the exponent 65537; curves are checked by the parser. Known weak keys are the key policy's matter (KF-C12). */
export const publicKey: Lint = {
  name: 'public-key',
  source: 'BR 6.1.5, 6.1.6',
  severity: 'error',
  check({ publicKey }, { issuer }) {
    if (publicKey.der.equals(issuer.certificate.publicKey.der)) return 'the public key is that of the issuing CA'
    if (publicKey.rsa === undefined) return undefined
    if (publicKey.bits < 2048) return `an RSA key of ${publicKey.bits} bits is too short`
    if (publicKey.bits % 8 !== 0) return `an RSA modulus of ${publicKey.bits} bits is not in whole octets`
    return publicKey.rsa.exponent === 65_537n ? undefined : 'the RSA exponent is not 65537'
  },
}
