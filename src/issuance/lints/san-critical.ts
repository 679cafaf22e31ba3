import { isEmptyName } from '../../x509/name.ts'
import { OID } from '../../x509/oids.ts'
import type { Lint } from '../lint.ts'

/** The subjectAltName is critical exactly when the subject is empty. */
export const sanCritical: Lint = {
  name: 'san-critical',
  source: 'RFC 5280 §4.2.1.6',
  severity: 'error',
  check({ subjectDer, extensions }) {
    const critical = extensions.get(OID.subjectAltName)?.critical === true
    if (critical === isEmptyName(subjectDer)) return undefined
    return critical
      ? 'the subjectAltName is critical beside a subject'
      : 'the subject is empty and the subjectAltName not critical'
  },
}
