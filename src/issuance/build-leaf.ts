import type { Identifier } from '../lib/identifier.ts'
import type { ProfileSnapshot } from '../store/records.ts'
import {
  authorityInfoAccess,
  authorityKeyIdentifier,
  basicConstraints,
  certificatePolicies,
  crlDistributionPoints,
  extendedKeyUsage,
  keyUsage,
  noRevAvail,
  subjectAltName,
  subjectKeyIdentifier,
  tlsFeature,
} from '../x509/extensions.ts'
import { buildName, type NameAttribute } from '../x509/name.ts'
import { OID } from '../x509/oids.ts'
import type { SubjectPublicKey } from '../x509/spki.ts'
import { buildTbsCertificate } from '../x509/tbs-certificate.ts'
import type { Issuer } from './issuer.ts'
import { leafKeyUsages } from './profile-types.ts'
import { lifetimeSecondsOf, type ValidityWindow } from './validity.ts'

/** All that a leaf is made of. Nothing here comes from a CSR but the public key (KF-C08). */
export interface LeafPlan {
  readonly serial: Buffer
  readonly identifiers: readonly Identifier[]
  readonly publicKey: SubjectPublicKey
  readonly profile: ProfileSnapshot
  readonly validity: ValidityWindow
}

/** The TLS extension `status_request` (RFC 6066 §8). */
export const STATUS_REQUEST = 5

/** ub-common-name (RFC 5280 Appendix A.1). */
const MAX_COMMON_NAME = 64

export const EXTENDED_KEY_USAGE_OIDS = {
  serverAuth: OID.serverAuth,
  clientAuth: OID.clientAuth,
  codeSigning: OID.codeSigning,
  emailProtection: OID.emailProtection,
} as const satisfies Record<ProfileSnapshot['extendedKeyUsages'][number], string>

/** The to-be-signed bytes of a leaf. The issuer's name and key identifier are copied, never encoded anew (KF-C18). */
export function buildLeaf(plan: LeafPlan, issuer: Issuer): Buffer {
  const { profile } = plan
  const subject = subjectOf(profile, plan.identifiers)
  const authorityKeyId = issuer.certificate.subjectKeyId
  if (authorityKeyId === undefined) throw new TypeError('an issuer always has a subjectKeyIdentifier')
  return buildTbsCertificate({
    serial: plan.serial,
    signatureAlgorithm: issuer.key.algorithm,
    issuerNameDer: issuer.certificate.subjectDer,
    notBefore: plan.validity.notBefore,
    notAfter: plan.validity.notAfter,
    subjectNameDer: buildName(subject),
    spkiDer: plan.publicKey.der,
    extensions: [
      basicConstraints({ ca: false }),
      keyUsage(leafKeyUsages(profile, plan.publicKey.algorithm)),
      extendedKeyUsage(profile.extendedKeyUsages.map((usage) => EXTENDED_KEY_USAGE_OIDS[usage])),
      subjectKeyIdentifier(plan.publicKey.keyId),
      authorityKeyIdentifier(authorityKeyId),
      authorityInfoAccess({ caIssuers: issuer.caIssuersUrl }),
      // Critical exactly when the subject is empty (RFC 5280 §4.2.1.6).
      subjectAltName(plan.identifiers, subject.length === 0),
      ...(profile.certificatePolicies === undefined ? [] : [certificatePolicies(profile.certificatePolicies)]),
      saysNoRevAvail(profile, plan.validity) ? noRevAvail() : crlDistributionPoints(issuer.crlUrl),
      ...(profile.mustStaple === true ? [tlsFeature([STATUS_REQUEST])] : []),
    ],
  })
}

/** Short enough a life to do without revocation information (RFC 9608), as the profile has it. */
export function saysNoRevAvail(profile: Pick<ProfileSnapshot, 'noRevAvailSeconds'>, window: ValidityWindow): boolean {
  return lifetimeSecondsOf(window) <= (profile.noRevAvailSeconds ?? 0)
}

/**
 * The subject, as the profile wants it. A common name is the first dns name that fits; never an address, never a name
 * cut short (CQ-C05).
 */
export function subjectOf(profile: ProfileSnapshot, identifiers: readonly Identifier[]): readonly NameAttribute[] {
  switch (profile.subject) {
    case 'empty':
      return []
    case 'commonName': {
      const found = identifiers.find(({ type, value }) => type === 'dns' && value.length <= MAX_COMMON_NAME)
      return found === undefined ? [] : [{ type: 'CN', value: found.value }]
    }
    case 'attributes': {
      const { subjectAttributes = [] } = profile
      if (subjectAttributes.length === 0) throw new TypeError('the attributes of the subject were not filled in')
      return subjectAttributes
    }
    default: {
      const unknown: never = profile.subject
      throw new TypeError(`unknown subject form ${String(unknown)}`)
    }
  }
}
