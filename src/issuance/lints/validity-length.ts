import type { Lint } from '../lint.ts'
import { lifetimeSecondsOf } from '../validity.ts'

/** Both ends count, so a day ends at 23:59:59 (KF-C03). */
export const validityLength: Lint = {
  name: 'validity-length',
  source: 'RFC 5280 §4.1.2.5, BR 6.3.2',
  severity: 'error',
  check(certificate, { profile }) {
    const length = lifetimeSecondsOf(certificate)
    if (length < 1) return 'notAfter lies before notBefore'
    if (length > profile.maxLifetimeSeconds)
      return `the certificate is valid for ${length} s, the profile allows ${profile.maxLifetimeSeconds} s`
    return undefined
  },
}
