import { describeOid, OID } from '../../x509/oids.ts'
import type { Lint } from '../lint.ts'

/** Server and client authentication at most: none of the reserved purposes, and not anyExtendedKeyUsage (KF-C08). */
export const extendedKeyUsage: Lint = {
  name: 'extended-key-usage',
  source: 'RFC 5280 §4.2.1.12, BR 7.1.2.7.10',
  severity: 'error',
  check({ extendedKeyUsage }) {
    if (extendedKeyUsage === undefined || extendedKeyUsage.length === 0) return 'there is no extKeyUsage'
    const foreign = extendedKeyUsage.find((usage) => usage !== OID.serverAuth && usage !== OID.clientAuth)
    return foreign === undefined ? undefined : `extKeyUsage holds ${describeOid(foreign)}`
  },
}
