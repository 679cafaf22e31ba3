import { describeOid, OID } from '../../x509/oids.ts'
import type { Lint } from '../lint.ts'

const CRITICALITY: Readonly<Record<string, 'critical' | 'not critical' | 'either'>> = {
  [OID.basicConstraints]: 'critical',
  [OID.keyUsage]: 'critical',
  [OID.extKeyUsage]: 'not critical',
  [OID.subjectKeyIdentifier]: 'not critical',
  [OID.authorityKeyIdentifier]: 'not critical',
  [OID.authorityInfoAccess]: 'not critical',
  [OID.crlDistributionPoints]: 'not critical',
  // Whether the profile wants them: the rules certificate-policies, no-rev-avail and tls-feature.
  [OID.certificatePolicies]: 'not critical',
  [OID.noRevAvail]: 'not critical',
  [OID.tlsFeature]: 'not critical',
  // Depends on the subject: the rule san-critical.
  [OID.subjectAltName]: 'either',
}

/** Only extensions of a leaf, each with its criticality: no nameConstraints, nothing unknown. */
export const leafExtensions: Lint = {
  name: 'leaf-extensions',
  source: 'RFC 5280 §4.2',
  severity: 'error',
  check({ extensions }) {
    for (const [oid, { critical }] of extensions) {
      const expected = CRITICALITY[oid]
      if (expected === undefined) return `a leaf has no extension ${describeOid(oid)}`
      if (expected !== 'either' && critical !== (expected === 'critical'))
        return `the extension ${describeOid(oid)} must be ${expected}`
    }
    return undefined
  },
}
