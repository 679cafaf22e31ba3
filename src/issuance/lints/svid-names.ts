import type { Lint } from '../lint.ts'
import { profileNamesProblem } from '../profile-names.ts'
import { requestedNames } from '../requested-names.ts'

/** A workload has one SPIFFE id with a path, and nobody has one beside another URI. */
export const svidNames: Lint = {
  name: 'svid-names',
  source: 'SPIFFE X.509-SVID §2, §3.1',
  severity: 'error',
  check({ subjectAltNames }, { profile }) {
    return profileNamesProblem(profile, requestedNames(subjectAltNames))
  },
}
