import type { Lint } from '../lint.ts'
import { typeRow } from '../profile-types.ts'

/** Only forms of names that certificates of this type hold (KF-C08). */
export const sanTypes: Lint = {
  name: 'san-types',
  source: 'RFC 5280 §4.2.1.6',
  severity: 'error',
  check({ subjectAltNames }, { profile }) {
    const { names } = typeRow(profile)
    const foreign = subjectAltNames.find(({ type }) => !names.some((allowed) => allowed === type))
    return foreign === undefined ? undefined : `the subjectAltName holds a name of the form ${foreign.type}`
  },
}
