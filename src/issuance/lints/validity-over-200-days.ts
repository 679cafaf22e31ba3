import type { Lint } from '../lint.ts'
import { lifetimeSecondsOf } from '../validity.ts'

/** Public CAs may not issue for longer than 200 days, and browsers are built for that. */
export const validityOver200Days: Lint = {
  name: 'validity-over-200-days',
  source: 'BR 6.3.2 until 2027-03-14',
  severity: 'warn',
  check(certificate) {
    const days = lifetimeSecondsOf(certificate) / 86_400
    return days > 200 ? `the certificate is valid for ${Math.ceil(days)} days` : undefined
  },
}
