import type { PolicyRequest } from '../policy/decision.ts'
import { DerReader } from '../x509/asn1/reader.ts'
import type { ParsedTbsCertificate } from '../x509/certificate.ts'
import { parseName } from '../x509/name.ts'
import { OID } from '../x509/oids.ts'

/** Short names of subject attributes (RFC 4514 §3, RFC 4519); others are told by their object identifier. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  [OID.commonName]: 'CN',
  [OID.organizationName]: 'O',
  [OID.organizationalUnitName]: 'OU',
  [OID.countryName]: 'C',
  [OID.stateOrProvinceName]: 'ST',
  [OID.localityName]: 'L',
  [OID.serialNumber]: 'serialNumber',
}

/** TLS feature (RFC 7633 §4.2.2), and of its features the one that asks for a stapled status. */
const TLS_FEATURE = '1.3.6.1.5.5.7.1.24'
const STATUS_REQUEST = 5

/**
 * What the bytes say of subject, certificate policies and stapling, for policy.
 *
 * @throws {DerError}
 */
export function statedFacts(
  leaf: ParsedTbsCertificate,
): Required<Pick<PolicyRequest, 'subject' | 'certificatePolicies' | 'mustStaple'>> {
  const policies = leaf.extensions.get(OID.certificatePolicies)
  const feature = leaf.extensions.get(TLS_FEATURE)
  return {
    subject: parseName(leaf.subjectDer).attributes.map(({ oid, value }) => ({
      attribute: SHORT_NAMES[oid] ?? oid,
      value,
    })),
    certificatePolicies: policies === undefined ? [] : policyIdentifiers(policies.value),
    mustStaple: feature !== undefined && features(feature.value).includes(STATUS_REQUEST),
  }
}

/** The identifiers of PolicyInformation (RFC 5280 §4.2.1.4); qualifiers are passed over. */
function policyIdentifiers(value: Uint8Array): string[] {
  const reader = new DerReader(value)
  const policies = reader.sequence()
  reader.end()
  const found: string[] = []
  while (!policies.done) {
    const information = policies.sequence()
    found.push(information.oid())
    if (!information.done) information.element()
    information.end()
  }
  return found
}

function features(value: Uint8Array): number[] {
  const reader = new DerReader(value)
  const list = reader.sequence()
  reader.end()
  const found: number[] = []
  while (!list.done) found.push(list.integer().reduce((sum, byte) => sum * 256 + byte, 0))
  return found
}
