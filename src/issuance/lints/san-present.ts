import type { Lint } from '../lint.ts'

/** There is a subjectAltName with at least one name, because nothing else is looked at by clients. */
export const sanPresent: Lint = {
  name: 'san-present',
  source: 'BR 7.1.2.7.12',
  severity: 'error',
  check({ subjectAltNames }) {
    return subjectAltNames.length > 0 ? undefined : 'there is no subjectAltName'
  },
}
