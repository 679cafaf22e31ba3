import type { Identifier } from '../lib/identifier.ts'
import type { ProfileSnapshot } from '../store/records.ts'
import {
  authorityInfoAccess,
  authorityKeyIdentifier,
  basicConstraints,
  crlDistributionPoints,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from '../x509/extensions.ts'
import { buildName } from '../x509/name.ts'
import { OID } from '../x509/oids.ts'
import type { SubjectPublicKey } from '../x509/spki.ts'
import { buildTbsCertificate } from '../x509/tbs-certificate.ts'
import type { Issuer } from './issuer.ts'
import { LEAF_KEY_USAGES } from './key-usages.ts'
import type { ValidityWindow } from './validity.ts'

/** All that a leaf is made of. Nothing here comes from a CSR but the public key (KF-C08). */
export interface LeafPlan {
  readonly serial: Buffer
  readonly identifiers: readonly Identifier[]
  readonly publicKey: SubjectPublicKey
  readonly profile: ProfileSnapshot
  readonly validity: ValidityWindow
}

/** ub-common-name (RFC 5280 Appendix A.1). */
const MAX_COMMON_NAME = 64

export const EXTENDED_KEY_USAGE_OIDS = {
  serverAuth: OID.serverAuth,
  clientAuth: OID.clientAuth,
} as const satisfies Record<ProfileSnapshot['extendedKeyUsages'][number], string>

/** The to-be-signed bytes of a leaf. The issuer's name and key identifier are copied, never encoded anew (KF-C18). */
export function buildLeaf(plan: LeafPlan, issuer: Issuer): Buffer {
  const commonName = commonNameOf(plan.profile, plan.identifiers)
  const authorityKeyId = issuer.certificate.subjectKeyId
  if (authorityKeyId === undefined) throw new TypeError('an issuer always has a subjectKeyIdentifier')
  return buildTbsCertificate({
    serial: plan.serial,
    signatureAlgorithm: issuer.key.algorithm,
    issuerNameDer: issuer.certificate.subjectDer,
    notBefore: plan.validity.notBefore,
    notAfter: plan.validity.notAfter,
    subjectNameDer: buildName(commonName === undefined ? [] : [{ type: 'CN', value: commonName }]),
    spkiDer: plan.publicKey.der,
    extensions: [
      basicConstraints({ ca: false }),
      keyUsage(LEAF_KEY_USAGES[plan.publicKey.algorithm]),
      extendedKeyUsage(plan.profile.extendedKeyUsages.map((usage) => EXTENDED_KEY_USAGE_OIDS[usage])),
      subjectKeyIdentifier(plan.publicKey.keyId),
      authorityKeyIdentifier(authorityKeyId),
      authorityInfoAccess({ caIssuers: issuer.caIssuersUrl }),
      // Critical exactly when the subject is empty (RFC 5280 §4.2.1.6).
      subjectAltName(plan.identifiers, commonName === undefined),
      crlDistributionPoints(issuer.crlUrl),
    ],
  })
}

/** The first dns name that fits, when the profile wants one; never an address, never a name cut short (CQ-C05). */
export function commonNameOf(profile: ProfileSnapshot, identifiers: readonly Identifier[]): string | undefined {
  switch (profile.subject) {
    case 'empty':
      return undefined
    case 'commonName':
      return identifiers.find((identifier) => identifier.type === 'dns' && identifier.value.length <= MAX_COMMON_NAME)
        ?.value
    default: {
      const unknown: never = profile.subject
      throw new TypeError(`unknown subject form ${String(unknown)}`)
    }
  }
}
