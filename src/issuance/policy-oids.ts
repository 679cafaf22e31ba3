import { decodeOidContent, encodeOidContent } from '../x509/asn1/oid.ts'
import { OID } from '../x509/oids.ts'

/** Of the CA/Browser Forum: they say that its requirements are met, which of a private CA would be untrue. */
const RESERVED = '2.23.140.1.'

/** Why a certificate policy may not be asserted, or undefined. */
export function policyProblem(policy: { readonly oid: string; readonly cps?: string }): string | undefined {
  try {
    // Also what can be written, but is longer than anybody reads.
    decodeOidContent(encodeOidContent(policy.oid))
  } catch {
    return `${policy.oid} is no object identifier, or is too long`
  }
  if (policy.oid === OID.anyPolicy) return 'anyPolicy is for CA certificates'
  if (policy.oid.startsWith(RESERVED)) return `the policy ${policy.oid} is reserved for CAs that browsers trust`
  const { cps } = policy
  if (cps !== undefined && (!/^https?:\/\/[\x21-\x7e]{1,500}$/.test(cps) || !URL.canParse(cps)))
    return `the practice statement ${JSON.stringify(cps)} is no http or https URL`
  return undefined
}
