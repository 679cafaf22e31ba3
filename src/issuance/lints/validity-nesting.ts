import type { Lint } from '../lint.ts'
import { commonWindow } from '../validity.ts'

/** The certificate lies within the validity of every certificate above it, and has not ended yet (CQ-C04). */
export const validityNesting: Lint = {
  name: 'validity-nesting',
  source: 'RFC 5280 §6.1, KF-C04',
  severity: 'error',
  check({ notBefore, notAfter }, { issuer, now }) {
    const chain = commonWindow(issuer.chain)
    if (notBefore < chain.notBefore) return 'the certificate begins before its chain does'
    if (notAfter > chain.notAfter) return 'the certificate outlives its chain'
    if (notAfter <= now) return 'the certificate has ended already'
    return undefined
  },
}
