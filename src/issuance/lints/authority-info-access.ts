import { httpUrlProblem } from '../http-url.ts'
import type { Lint } from '../lint.ts'

/** One absolute http address of the issuing certificate (KF-C22), and no OCSP address while there is no responder. */
export const authorityInfoAccess: Lint = {
  name: 'authority-info-access',
  source: 'RFC 5280 §4.2.2.1, BR 7.1.2.7.7',
  severity: 'error',
  check({ authorityInfoAccess }) {
    if (authorityInfoAccess === undefined) return 'there is no authorityInfoAccess'
    const { caIssuers, ocsp } = authorityInfoAccess
    const [url, ...more] = caIssuers
    if (url === undefined || more.length > 0)
      return `there are ${caIssuers.length} addresses of the issuing certificate, one is expected`
    if (ocsp.length > 0) return 'there is an OCSP address'
    const problem = httpUrlProblem(url)
    return problem === undefined
      ? undefined
      : `the address of the issuing certificate ${JSON.stringify(url)} ${problem}`
  },
}
