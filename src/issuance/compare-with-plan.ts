import type { Identifier } from '../lib/identifier.ts'
import { identifierKey } from '../lib/identifier.ts'
import { isoInstant } from '../lib/instant.ts'
import type { ProfileSnapshot } from '../store/records.ts'
import type { ParsedTbsCertificate } from '../x509/certificate.ts'
import { parseCertificatePolicies } from '../x509/extension-values.ts'
import { attributeOid, parseName } from '../x509/name.ts'
import { OID } from '../x509/oids.ts'
import { EXTENDED_KEY_USAGE_OIDS, saysNoRevAvail, subjectOf } from './build-leaf.ts'
import { requestedNames } from './requested-names.ts'

/** What was meant, for comparing with what the bytes say. */
export interface Intention {
  readonly serialHex: string
  readonly identifiers: readonly Identifier[]
  readonly spkiSha256: string
  readonly profile: ProfileSnapshot
  readonly notBefore: Date
  readonly notAfter: Date
}

/**
 * Where the bytes differ from the request, field by field, as sentences (KF-C17). What does not depend on the
 * request, such as the issuer's name, is the lints' part.
 */
export function compareWithPlan(built: ParsedTbsCertificate, intended: Intention): string[] {
  const differences: string[] = []
  const expect = (field: string, found: string, wanted: string): void => {
    if (found !== wanted) differences.push(`${field} is ${found} and not ${wanted}`)
  }
  expect('serialNumber', built.serialHex, intended.serialHex)
  expect('notBefore', isoInstant(built.notBefore), isoInstant(intended.notBefore))
  expect('notAfter', isoInstant(built.notAfter), isoInstant(intended.notAfter))
  expect('public key', built.publicKey.sha256, intended.spkiSha256)
  // Order counts: the SAN follows the order of the request.
  expect(
    'subjectAltName',
    requestedNames(built.subjectAltNames)
      .map((name) => `${name.type}:${name.value}`)
      .join(' '),
    intended.identifiers.map(identifierKey).join(' '),
  )
  const { profile } = intended
  expect(
    'subject',
    parseName(built.subjectDer)
      .attributes.map(({ oid, value }) => `${oid}=${value}`)
      .join(' '),
    subjectOf(profile, intended.identifiers)
      .map(({ type, value }) => `${attributeOid(type)}=${value}`)
      .join(' '),
  )
  expect(
    'extKeyUsage',
    (built.extendedKeyUsage ?? []).join(' '),
    profile.extendedKeyUsages.map((usage) => EXTENDED_KEY_USAGE_OIDS[usage]).join(' '),
  )
  const policies = built.extensions.get(OID.certificatePolicies)
  const shown = (list: readonly { readonly oid: string; readonly cps?: string }[]): string =>
    list.map(({ oid, cps }) => (cps === undefined ? oid : `${oid}=${cps}`)).join(' ')
  expect(
    'certificatePolicies',
    policies === undefined ? '' : shown(parseCertificatePolicies(policies.value)),
    shown(profile.certificatePolicies ?? []),
  )
  expect('noRevAvail', presence(built, OID.noRevAvail), saysNoRevAvail(profile, intended) ? 'there' : 'absent')
  expect('TLS feature', presence(built, OID.tlsFeature), profile.mustStaple === true ? 'there' : 'absent')
  return differences
}

const presence = ({ extensions }: ParsedTbsCertificate, oid: string): string =>
  extensions.has(oid) ? 'there' : 'absent'
