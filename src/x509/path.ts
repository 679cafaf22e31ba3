/** Checking a certification path in the given order (RFC 5280 §6.1, without policy trees). */
import type { ParsedCertificate } from './certificate.ts'
import { checkNameConstraints } from './name-constraints.ts'
import { describeOid, OID } from './oids.ts'
import { verifySignature } from './signature.ts'

export interface PathOptions {
  /** The moment for which every certificate must be valid. */
  readonly at: Date
  /** The path must end in one of these, byte for byte. */
  readonly anchors: readonly ParsedCertificate[]
  /** OID of a key purpose that the path must allow. Absent: any. */
  readonly purpose?: string
}

/** Longer paths are refused before anything is verified. */
const MAX_PATH_LENGTH = 8

/** Extensions that are taken into account; any other one that is critical refuses the path. */
const PROCESSED: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extKeyUsage,
  OID.subjectAltName,
  OID.nameConstraints,
])

/**
 * @param path the end entity first, each certificate issued by the next, the anchor last
 * @returns one sentence for each fault; none means that the path holds. Never throws. Revocation is not looked at.
 */
export function checkCertificatePath(path: readonly ParsedCertificate[], options: PathOptions): string[] {
  const last = path[path.length - 1]
  if (last === undefined) return ['the path is empty']
  if (path.length > MAX_PATH_LENGTH) return [`the path has more than ${MAX_PATH_LENGTH} certificates`]
  const faults: string[] = []
  if (!options.anchors.some((anchor) => anchor.der.equals(last.der)))
    faults.push('the path does not end in a trusted certificate')
  for (const [index, certificate] of path.entries()) {
    const where = `certificate ${index + 1} of the path`
    const issuer = path[index + 1]
    const own = [
      ...checkOwnFields(certificate, options),
      ...(index > 0 ? checkAsCa(certificate, path.slice(0, index)) : []),
      ...(issuer === undefined ? [] : checkIssuedBy(certificate, issuer)),
    ]
    faults.push(...own.map((fault) => `${where}: ${fault}`))
  }
  return faults
}

/** Whether `issuer` made `certificate`: names, key identifiers and the signature. @returns faults, as sentences */
export function checkIssuedBy(certificate: ParsedCertificate, issuer: ParsedCertificate): string[] {
  if (!certificate.issuerDer.equals(issuer.subjectDer)) return ['the issuer is not the subject of the next certificate']
  const { authorityKeyId } = certificate
  if (
    authorityKeyId !== undefined &&
    issuer.subjectKeyId !== undefined &&
    !authorityKeyId.equals(issuer.subjectKeyId)
  ) {
    return ['the authority key identifier is not the key identifier of the next certificate']
  }
  return verifySignature(certificate, issuer.publicKey) ? [] : ['the signature was not made by the next certificate']
}

function checkOwnFields(certificate: ParsedCertificate, { at, purpose }: PathOptions): string[] {
  const faults: string[] = []
  // Both bounds are part of the lifetime, in whole seconds (RFC 5280 §4.1.2.5).
  const second = Math.floor(at.getTime() / 1000) * 1000
  if (second < certificate.notBefore.getTime()) faults.push('it is not valid yet')
  if (second > certificate.notAfter.getTime()) faults.push('it has expired')
  for (const [oid, { critical }] of certificate.extensions) {
    if (critical && !PROCESSED.has(oid)) faults.push(`it has an unknown critical extension: ${describeOid(oid)}`)
  }
  const purposes = certificate.extendedKeyUsage
  if (purpose !== undefined && purposes && !purposes.includes(purpose) && !purposes.includes(OID.anyExtendedKeyUsage)) {
    faults.push(`it is not for the purpose ${describeOid(purpose)}`)
  }
  return faults
}

/** What a certificate must allow to have the others of the path below it (KF-C19, KF-C20). */
function checkAsCa(ca: ParsedCertificate, below: readonly ParsedCertificate[]): string[] {
  const faults: string[] = []
  if (ca.basicConstraints?.ca !== true) faults.push('it is not a CA certificate')
  if (ca.keyUsage?.has('keyCertSign') !== true) faults.push('its key may not sign certificates')
  // Self-issued certificates do not count, and their names are not constrained (RFC 5280 §6.1.4 (b), (l)).
  const intermediates = below.slice(1).filter((certificate) => !isSelfIssued(certificate))
  const limit = ca.basicConstraints?.pathLen
  if (limit !== undefined && intermediates.length > limit)
    faults.push(`more than ${limit} CA certificates are below it`)
  const constraints = ca.nameConstraints
  if (constraints !== undefined) {
    for (const certificate of [...below.slice(0, 1), ...intermediates]) {
      faults.push(...checkNameConstraints(constraints, certificate.subjectAltNames, certificate.subjectDer))
    }
  }
  return faults
}

function isSelfIssued(certificate: ParsedCertificate): boolean {
  return certificate.issuerDer.equals(certificate.subjectDer)
}
