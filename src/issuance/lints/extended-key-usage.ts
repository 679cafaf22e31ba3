import { describeOid } from '../../x509/oids.ts'
import { EXTENDED_KEY_USAGE_OIDS } from '../build-leaf.ts'
import type { Lint } from '../lint.ts'
import { typeRow } from '../profile-types.ts'

/**
 * Only purposes of the profile's type: none of the reserved ones, not anyExtendedKeyUsage (KF-C08), and code signing
 * beside nothing else.
 */
export const extendedKeyUsage: Lint = {
  name: 'extended-key-usage',
  source: 'RFC 5280 §4.2.1.12, BR 7.1.2.7.10',
  severity: 'error',
  check({ extendedKeyUsage }, { profile }) {
    if (extendedKeyUsage === undefined || extendedKeyUsage.length === 0) return 'there is no extKeyUsage'
    const allowed: readonly string[] = typeRow(profile).allowedUsages.map((usage) => EXTENDED_KEY_USAGE_OIDS[usage])
    const foreign = extendedKeyUsage.find((usage) => !allowed.includes(usage))
    return foreign === undefined ? undefined : `extKeyUsage holds ${describeOid(foreign)}`
  },
}
