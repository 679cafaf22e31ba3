import { parseName } from '../../x509/name.ts'
import { OID } from '../../x509/oids.ts'
import type { Lint } from '../lint.ts'

/** The subject is empty, or one commonName that is, character for character, a dns name of the SAN; never an address (CQ-C05). */
export const subjectIsSan: Lint = {
  name: 'subject-is-san',
  source: 'BR 7.1.4.3, RFC 9525 §2',
  severity: 'error',
  check({ subjectDer, subjectAltNames }) {
    const { attributes } = parseName(subjectDer)
    const [commonName, ...more] = attributes
    if (commonName === undefined) return undefined
    if (more.length > 0 || commonName.oid !== OID.commonName)
      return 'the subject holds something else than one commonName'
    if (commonName.value.length > 64) return 'the commonName is longer than 64 characters'
    const inSan = subjectAltNames.some((name) => name.type === 'dns' && name.value === commonName.value)
    return inSan ? undefined : `the commonName ${JSON.stringify(commonName.value)} is no dns name of the subjectAltName`
  },
}
