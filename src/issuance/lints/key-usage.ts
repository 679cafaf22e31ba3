import { OID } from '../../x509/oids.ts'
import type { Lint } from '../lint.ts'
import { leafKeyUsages } from '../profile-types.ts'

/** Critical, and exactly what a leaf key of this type may do in a certificate of this kind. */
export const keyUsage: Lint = {
  name: 'key-usage',
  source: 'RFC 5280 §4.2.1.3, RFC 8813 §3, RFC 9295 §3',
  severity: 'error',
  check({ extensions, keyUsage, publicKey }, { profile }) {
    if (keyUsage === undefined) return 'there is no keyUsage'
    if (extensions.get(OID.keyUsage)?.critical !== true) return 'keyUsage is not critical'
    const expected = [...leafKeyUsages(profile, publicKey.algorithm)].sort().join(', ')
    const found = [...keyUsage].sort().join(', ')
    return found === expected ? undefined : `keyUsage is ${found}; a ${publicKey.algorithm} leaf has ${expected}`
  },
}
