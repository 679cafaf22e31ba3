import { SIGNATURE_ALGORITHMS } from '../../x509/algorithms.ts'
import type { Lint } from '../lint.ts'

/** The algorithm inside is the one that the issuing key signs with; SHA-1 and MD5 have no row in the table (KF-C14). */
export const signatureAlgorithm: Lint = {
  name: 'signature-algorithm',
  source: 'RFC 5280 §4.1.1.2, BR 7.1.3.2',
  severity: 'error',
  check({ signatureAlgorithmOid }, { issuer }) {
    const expected = SIGNATURE_ALGORITHMS[issuer.key.algorithm].oid
    if (signatureAlgorithmOid !== expected)
      return `the signature algorithm is ${signatureAlgorithmOid}, the issuing key signs with ${expected}`
    return undefined
  },
}
