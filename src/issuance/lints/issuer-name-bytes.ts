import type { Lint } from '../lint.ts'

/** The issuer field is the subject of the issuing CA, byte for byte (KF-C18). */
export const issuerNameBytes: Lint = {
  name: 'issuer-name-bytes',
  source: 'RFC 5280 §4.1.2.4, BR 7.1.4.1',
  severity: 'error',
  check({ issuerDer }, { issuer }) {
    return issuerDer.equals(issuer.certificate.subjectDer)
      ? undefined
      : 'the issuer is not, byte for byte, the subject of the issuing CA'
  },
}
