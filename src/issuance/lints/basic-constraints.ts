import { OID } from '../../x509/oids.ts'
import type { Lint } from '../lint.ts'

const EMPTY_SEQUENCE = Buffer.of(0x30, 0x00)

/** Critical and the empty SEQUENCE: not a CA, and no path length. */
export const basicConstraints: Lint = {
  name: 'basic-constraints',
  source: 'RFC 5280 §4.2.1.9, KF-C08',
  severity: 'error',
  check({ extensions }) {
    const extension = extensions.get(OID.basicConstraints)
    if (extension === undefined) return 'there is no basicConstraints'
    if (!extension.critical) return 'basicConstraints is not critical'
    return extension.value.equals(EMPTY_SEQUENCE) ? undefined : 'basicConstraints says more than that this is no CA'
  },
}
