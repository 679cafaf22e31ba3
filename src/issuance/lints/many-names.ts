import type { Lint } from '../lint.ts'

/** More than a hundred names make a handshake slow and a revocation wide. */
export const manyNames: Lint = {
  name: 'many-names',
  source: 'RFC 8446 §4.4.2',
  severity: 'warn',
  check({ subjectAltNames }) {
    return subjectAltNames.length > 100 ? `the subjectAltName holds ${subjectAltNames.length} names` : undefined
  },
}
