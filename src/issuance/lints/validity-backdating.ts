import type { Lint } from '../lint.ts'
import { MAX_BACKDATE_SECONDS } from '../profile.ts'
import { RESUME_LIMIT_SECONDS } from '../resume-limit.ts'

/** notBefore lies at most 48 hours back (KF-C04); work that was resumed gets the time that it was away. */
export const validityBackdating: Lint = {
  name: 'validity-backdating',
  source: 'BR 7.1.2.7',
  severity: 'error',
  check({ notBefore }, { now }) {
    const agoSeconds = (now.getTime() - notBefore.getTime()) / 1000
    if (agoSeconds > MAX_BACKDATE_SECONDS + RESUME_LIMIT_SECONDS)
      return `notBefore lies ${Math.floor(agoSeconds)} s in the past`
    return undefined
  },
}
