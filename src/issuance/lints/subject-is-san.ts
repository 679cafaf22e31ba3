import { parseName } from '../../x509/name.ts'
import { OID } from '../../x509/oids.ts'
import { commonNameProblem } from '../common-name.ts'
import type { Lint } from '../lint.ts'
import { requestedNames } from '../requested-names.ts'

/**
 * The subject is empty, or one commonName that is, character for character, a dns name of the SAN, never an address
 * (CQ-C05); or attributes of the profile, where no commonName says what the SAN does not.
 */
export const subjectIsSan: Lint = {
  name: 'subject-is-san',
  source: 'BR 7.1.4.3, RFC 9525 §2',
  severity: 'error',
  check({ subjectDer, subjectAltNames }, { profile }) {
    const { attributes } = parseName(subjectDer)
    const [commonName, ...more] = attributes
    if (commonName === undefined) return undefined
    if (profile.subject === 'attributes') {
      const oids = attributes.map(({ oid }) => oid)
      if (new Set(oids).size !== oids.length) return 'the subject holds an attribute twice'
      const named = attributes.find(({ oid }) => oid === OID.commonName)
      return named && commonNameProblem(named.value, profile, requestedNames(subjectAltNames))
    }
    if (more.length > 0 || commonName.oid !== OID.commonName)
      return 'the subject holds something else than one commonName'
    if (commonName.value.length > 64) return 'the commonName is longer than 64 characters'
    const inSan = subjectAltNames.some((name) => name.type === 'dns' && name.value === commonName.value)
    return inSan ? undefined : `the commonName ${JSON.stringify(commonName.value)} is no dns name of the subjectAltName`
  },
}
