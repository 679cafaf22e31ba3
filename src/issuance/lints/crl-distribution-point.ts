import { OID } from '../../x509/oids.ts'
import { httpUrlProblem } from '../http-url.ts'
import type { Lint } from '../lint.ts'

/**
 * One absolute http address, the one that the CRL of this issuer names itself (KF-C22, KF-D12); none where the
 * certificate says that there is no revocation information.
 */
export const crlDistributionPoint: Lint = {
  name: 'crl-distribution-point',
  source: 'RFC 5280 §4.2.1.13, RFC 9608 §3, BR 7.1.2.11.2',
  severity: 'error',
  check({ crlDistributionPoints, extensions }, { issuer }) {
    if (extensions.has(OID.noRevAvail)) {
      return extensions.has(OID.crlDistributionPoints)
        ? 'there is a CRL address beside the word that there is no revocation information'
        : undefined
    }
    const [url, ...more] = crlDistributionPoints
    if (url === undefined || more.length > 0)
      return `there are ${crlDistributionPoints.length} CRL addresses, one is expected`
    const problem = httpUrlProblem(url)
    if (problem !== undefined) return `the CRL address ${JSON.stringify(url)} ${problem}`
    return url === issuer.crlUrl ? undefined : `the CRL address is not that of the issuer, ${issuer.crlUrl}`
  },
}
