import type { Lint } from '../lint.ts'
import { lifetimeSecondsOf } from '../validity.ts'

/** Public CAs may not issue for longer than 100 days, and browsers are built for that. */
export const validityOver100Days: Lint = {
  name: 'validity-over-100-days',
  source: 'BR 6.3.2 from 2027-03-15',
  severity: 'warn',
  effective: new Date('2027-03-15T00:00:00Z'),
  check(certificate) {
    const days = lifetimeSecondsOf(certificate) / 86_400
    return days > 100 ? `the certificate is valid for ${Math.ceil(days)} days` : undefined
  },
}
