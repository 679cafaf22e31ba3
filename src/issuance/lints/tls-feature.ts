import { parseTlsFeature } from '../../x509/extension-values.ts'
import { OID } from '../../x509/oids.ts'
import { STATUS_REQUEST } from '../build-leaf.ts'
import type { Lint } from '../lint.ts'

/** The one feature `status_request`, where the profile wants it; in server certificates only. */
export const tlsFeature: Lint = {
  name: 'tls-feature',
  source: 'RFC 7633 §4, §6',
  severity: 'error',
  check({ extensions, extendedKeyUsage }, { profile }) {
    const found = extensions.get(OID.tlsFeature)
    if (found === undefined)
      return profile.mustStaple === true ? 'the TLS feature of the profile is missing' : undefined
    if (profile.mustStaple !== true) return 'there is a TLS feature that the profile does not have'
    const features = parseTlsFeature(found.value)
    if (features.length !== 1 || features[0] !== STATUS_REQUEST) return `the TLS features are ${features.join(', ')}`
    return extendedKeyUsage?.includes(OID.serverAuth) ? undefined : 'a stapled answer is asked of what is no server'
  },
}
