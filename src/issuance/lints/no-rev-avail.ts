import { parseNoRevAvail } from '../../x509/extension-values.ts'
import { OID } from '../../x509/oids.ts'
import { saysNoRevAvail } from '../build-leaf.ts'
import type { Lint } from '../lint.ts'

/** In certificates that live as short as the profile says, and in no others; without any pointer to what there is not. */
export const noRevAvail: Lint = {
  name: 'no-rev-avail',
  source: 'RFC 9608 §2, §3',
  severity: 'error',
  check(certificate, { profile }) {
    const { extensions, authorityInfoAccess } = certificate
    const found = extensions.get(OID.noRevAvail)
    if (found === undefined)
      return saysNoRevAvail(profile, certificate) ? 'noRevAvail is missing in a short-lived certificate' : undefined
    if (!saysNoRevAvail(profile, certificate)) return 'noRevAvail stands in a certificate that lives too long for it'
    parseNoRevAvail(found.value)
    if ((authorityInfoAccess?.ocsp.length ?? 0) > 0) return 'there is an OCSP address beside noRevAvail'
    return profile.mustStaple === true ? 'noRevAvail stands beside the demand for a stapled answer' : undefined
  },
}
