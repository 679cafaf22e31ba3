import { parseCertificatePolicies } from '../../x509/extension-values.ts'
import { OID } from '../../x509/oids.ts'
import type { Lint } from '../lint.ts'
import { policyProblem } from '../policy-oids.ts'

/** Those of the profile, each once; never anyPolicy, nor one that is reserved for CAs of the web. */
export const certificatePolicies: Lint = {
  name: 'certificate-policies',
  source: 'RFC 5280 §4.2.1.4, BR 7.1.6.1',
  severity: 'error',
  check({ extensions }, { profile }) {
    const value = extensions.get(OID.certificatePolicies)?.value
    const wanted = profile.certificatePolicies ?? []
    if (value === undefined)
      return wanted.length === 0 ? undefined : 'there are none of the certificatePolicies of the profile'
    const found = parseCertificatePolicies(value)
    if (JSON.stringify(found) !== JSON.stringify(wanted.map(({ oid, cps }) => ({ oid, ...(cps && { cps }) }))))
      return 'the certificatePolicies are not those of the profile'
    return found.map(policyProblem).find((problem) => problem !== undefined) ?? repeated(found.map(({ oid }) => oid))
  },
}

const repeated = (oids: readonly string[]): string | undefined =>
  new Set(oids).size === oids.length ? undefined : 'a policy stands twice in certificatePolicies'
