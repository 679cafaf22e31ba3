import type { Lint } from '../lint.ts'

/** Only dns names and addresses: no other form has been proven by anybody (KF-C08). */
export const sanTypes: Lint = {
  name: 'san-types',
  source: 'RFC 5280 §4.2.1.6',
  severity: 'error',
  check({ subjectAltNames }) {
    const foreign = subjectAltNames.find((name) => name.type !== 'dns' && name.type !== 'ip')
    return foreign === undefined ? undefined : `the subjectAltName holds a name of the form ${foreign.type}`
  },
}
