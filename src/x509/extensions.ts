/** Builders of certificate and CRL extensions (RFC 5280 §4.2, §5.2). Each returns a whole Extension. */
import type { Identifier } from '../lib/identifier.ts'
import { TAG } from './asn1/tags.ts'
import {
  boolean,
  contextConstructed,
  contextPrimitive,
  element,
  ia5String,
  integer,
  namedBits,
  octetString,
  oid,
  sequence,
} from './asn1/writer.ts'
import { extension, KEY_USAGE_BITS, type KeyUsageBit } from './extension.ts'
import type { CertificatePolicy } from './extension-values.ts'
import { buildSubjectAltName, uriGeneralName } from './general-name.ts'
import { OID } from './oids.ts'

/** Critical. A leaf gets the empty SEQUENCE. @throws {RangeError} on a path length without `ca` */
export function basicConstraints(options: { readonly ca: boolean; readonly pathLen?: number }): Buffer {
  if (options.pathLen !== undefined && !options.ca) throw new RangeError('a path length is only for a CA certificate')
  const parts = options.ca ? [boolean(true)] : []
  if (options.pathLen !== undefined) parts.push(integer(options.pathLen))
  return extension(OID.basicConstraints, true, sequence(...parts))
}

/** Critical. @throws {RangeError} on an empty list (RFC 5280 §4.2.1.3) */
export function keyUsage(bits: readonly KeyUsageBit[]): Buffer {
  if (bits.length === 0) throw new RangeError('keyUsage names at least one use')
  return extension(OID.keyUsage, true, namedBits(bits.map((bit) => KEY_USAGE_BITS.indexOf(bit))))
}

/** Not critical; key purposes in the given order. @throws {RangeError} on an empty list */
export function extendedKeyUsage(oids: readonly string[]): Buffer {
  if (oids.length === 0) throw new RangeError('extendedKeyUsage names at least one purpose')
  return extension(OID.extKeyUsage, false, sequence(...oids.map(oid)))
}

export function subjectKeyIdentifier(keyId: Uint8Array): Buffer {
  return extension(OID.subjectKeyIdentifier, false, octetString(keyId))
}

/** Only the key identifier, equal to the issuer's subjectKeyIdentifier (BR 7.1.2.11.1). */
export function authorityKeyIdentifier(keyId: Uint8Array): Buffer {
  return extension(OID.authorityKeyIdentifier, false, sequence(contextPrimitive(0, keyId)))
}

/** @param critical TRUE exactly when the subject is empty (RFC 5280 §4.2.1.6) */
export function subjectAltName(names: readonly Identifier[], critical: boolean): Buffer {
  return extension(OID.subjectAltName, critical, buildSubjectAltName(names))
}

/** One DistributionPoint with one URI (RFC 5280 §4.2.1.13, BR 7.1.2.11.2). */
export function crlDistributionPoints(url: string): Buffer {
  return extension(OID.crlDistributionPoints, false, sequence(sequence(distributionPointName(url))))
}

/** `[0] distributionPoint { [0] fullName }`: the same bytes in certificates and in the CRL (RFC 5280 §5.2.5). */
function distributionPointName(url: string): Buffer {
  return contextConstructed(0, contextConstructed(0, uriGeneralName(url)))
}

/** @throws {RangeError} when neither address is given */
export function authorityInfoAccess(urls: { readonly caIssuers?: string; readonly ocsp?: string }): Buffer {
  const descriptions: Buffer[] = []
  if (urls.ocsp !== undefined) descriptions.push(sequence(oid(OID.accessOcsp), uriGeneralName(urls.ocsp)))
  if (urls.caIssuers !== undefined)
    descriptions.push(sequence(oid(OID.accessCaIssuers), uriGeneralName(urls.caIssuers)))
  if (descriptions.length === 0) throw new RangeError('authorityInfoAccess holds at least one address')
  return extension(OID.authorityInfoAccess, false, sequence(...descriptions))
}

/** Not critical; policies in the given order, each with its practice statement. @throws {RangeError} on an empty list */
export function certificatePolicies(policies: readonly CertificatePolicy[]): Buffer {
  if (policies.length === 0) throw new RangeError('certificatePolicies names at least one policy')
  return extension(
    OID.certificatePolicies,
    false,
    sequence(
      ...policies.map(({ oid: policy, cps }) =>
        cps === undefined
          ? sequence(oid(policy))
          : sequence(oid(policy), sequence(sequence(oid(OID.cpsQualifier), ia5String(cps)))),
      ),
    ),
  )
}

/** Not critical (RFC 9608 §2). */
export function noRevAvail(): Buffer {
  return extension(OID.noRevAvail, false, element(TAG.null, Buffer.alloc(0)))
}

/** Not critical (RFC 7633 §4); numbers of TLS extensions. @throws {RangeError} on an empty list */
export function tlsFeature(features: readonly number[]): Buffer {
  if (features.length === 0) throw new RangeError('a TLS feature extension names at least one feature')
  return extension(OID.tlsFeature, false, sequence(...features.map(integer)))
}

/** For CRLs. At most 20 octets (RFC 5280 §5.2.3). @throws {RangeError} */
export function crlNumber(number: bigint): Buffer {
  if (number < 0n || number >= 2n ** 159n) throw new RangeError('a CRL number is from 0 to 2^159-1')
  return extension(OID.crlNumber, false, integer(number))
}

/** For CRLs; critical (RFC 5280 §5.2.5). Without `onlyContainsUserCerts` the CRL covers CA certificates too. */
export function issuingDistributionPoint(options: {
  readonly url: string
  readonly onlyContainsUserCerts: boolean
}): Buffer {
  const parts = [distributionPointName(options.url)]
  if (options.onlyContainsUserCerts) parts.push(contextPrimitive(1, Buffer.of(0xff)))
  return extension(OID.issuingDistributionPoint, true, sequence(...parts))
}

export { extension, KEY_USAGE_BITS, type KeyUsageBit } from './extension.ts'
export { nameConstraints } from './name-constraints-writer.ts'
