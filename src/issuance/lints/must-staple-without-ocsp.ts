import { OID } from '../../x509/oids.ts'
import type { Lint } from '../lint.ts'

/** A server cannot staple an answer that nobody gives: clients that honour the demand refuse the certificate. */
export const mustStapleWithoutOcsp: Lint = {
  name: 'must-staple-without-ocsp',
  source: 'RFC 7633 §4.2.3',
  severity: 'warn',
  check({ extensions, authorityInfoAccess }) {
    if (!extensions.has(OID.tlsFeature) || (authorityInfoAccess?.ocsp.length ?? 0) > 0) return undefined
    return 'a stapled OCSP answer is demanded, and no OCSP address is given'
  },
}
