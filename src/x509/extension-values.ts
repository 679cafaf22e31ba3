/** Readers of what is inside known extensions (RFC 5280 §4.2.1, §4.2.2). Each takes the content of extnValue. */
import { DerError } from './asn1/der-error.ts'
import { DerReader, isNegative } from './asn1/reader.ts'
import { contextPrimitiveTag, TAG } from './asn1/tags.ts'
import { KEY_USAGE_BITS, type KeyUsageBit } from './extension.ts'
import { readGeneralNames } from './general-name.ts'
import { OID } from './oids.ts'

export interface BasicConstraints {
  readonly ca: boolean
  /** Absent: no limit. */
  readonly pathLen?: number
}

export interface AuthorityInfoAccess {
  readonly caIssuers: readonly string[]
  readonly ocsp: readonly string[]
}

/** Reads one element to its end. */
function whole<T>(value: Uint8Array, read: (reader: DerReader) => T): T {
  const reader = new DerReader(value)
  const result = read(reader)
  reader.end()
  return result
}

function wholeSequence<T>(value: Uint8Array, read: (sequence: DerReader) => T): T {
  return whole(value, (reader) => {
    const inner = reader.sequence()
    const result = read(inner)
    inner.end()
    return result
  })
}

/** @throws {DerError} */
export function parseBasicConstraints(value: Uint8Array): BasicConstraints {
  return wholeSequence(value, (fields) => {
    const ca = fields.booleanDefaultFalse()
    if (fields.done) return { ca }
    if (!ca) throw new DerError('basicConstraints has a path length without being for a CA')
    return { ca, pathLen: fields.smallInteger() }
  })
}

/** @throws {DerError} also when no bit is set */
export function parseKeyUsage(value: Uint8Array): Set<KeyUsageBit> {
  const bits = whole(value, (reader) => reader.namedBits())
  if (bits.length === 0) throw new DerError('keyUsage has no bit set')
  return new Set(
    bits.map((bit) => {
      const name = KEY_USAGE_BITS[bit]
      if (name === undefined) throw new DerError('keyUsage has a bit that is not defined')
      return name
    }),
  )
}

/** @returns OIDs in dotted form, in their order. @throws {DerError} when there are none, or one twice */
export function parseExtendedKeyUsage(value: Uint8Array): string[] {
  return wholeSequence(value, (fields) => {
    const oids: string[] = []
    while (!fields.done) oids.push(fields.oid())
    if (oids.length === 0) throw new DerError('extKeyUsage is empty')
    if (new Set(oids).size !== oids.length) throw new DerError('extKeyUsage names a purpose twice')
    return oids
  })
}

/** @throws {DerError} */
export function parseSubjectKeyIdentifier(value: Uint8Array): Buffer {
  return whole(value, (reader) => reader.octetString())
}

/** @returns the key identifier, or undefined when the extension names the issuer in other ways only. @throws {DerError} */
export function parseAuthorityKeyIdentifier(value: Uint8Array): Buffer | undefined {
  return wholeSequence(value, (fields) => {
    const keyId = fields.isAtPrimitive(0) ? fields.contextPrimitive(0) : undefined
    if (fields.isAtConstructed(1)) readGeneralNames(fields.contextConstructed(1))
    if (fields.isAtPrimitive(2)) fields.integer(contextPrimitiveTag(2))
    return keyId
  })
}

/** @returns every URI of every distribution point. @throws {DerError} */
export function parseCrlDistributionPoints(value: Uint8Array): string[] {
  return wholeSequence(value, (points) => {
    if (points.done) throw new DerError('cRLDistributionPoints is empty')
    const urls: string[] = []
    while (!points.done) {
      const point = points.sequence()
      if (point.isAtConstructed(0)) urls.push(...readDistributionPointName(point))
      if (point.isAtPrimitive(1)) point.bitString(contextPrimitiveTag(1))
      if (point.isAtConstructed(2)) readGeneralNames(point.contextConstructed(2))
      point.end()
    }
    return urls
  })
}

/** Reads `[0] DistributionPointName` and gives the URIs of its fullName. @throws {DerError} */
export function readDistributionPointName(fields: DerReader): string[] {
  const choice = fields.contextConstructed(0)
  if (!choice.isAtConstructed(0)) {
    // nameRelativeToCRLIssuer: well-formed, but not an address.
    choice.element()
    choice.end()
    return []
  }
  const names = readGeneralNames(choice.contextConstructed(0))
  choice.end()
  return names.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
}

/** Addresses by access method; methods other than these two are passed over. @throws {DerError} */
export function parseAuthorityInfoAccess(value: Uint8Array): AuthorityInfoAccess {
  return wholeSequence(value, (descriptions) => {
    if (descriptions.done) throw new DerError('authorityInfoAccess is empty')
    const caIssuers: string[] = []
    const ocsp: string[] = []
    while (!descriptions.done) {
      const description = descriptions.sequence()
      const method = description.oid()
      for (const name of readGeneralNames(description)) {
        if (name.type !== 'uri') continue
        if (method === OID.accessCaIssuers) caIssuers.push(name.value)
        if (method === OID.accessOcsp) ocsp.push(name.value)
      }
    }
    return { caIssuers, ocsp }
  })
}

/** One policy, with the URL of its practice statement. */
export interface CertificatePolicy {
  readonly oid: string
  readonly cps?: string
}

/** @returns policies in their order. @throws {DerError} when there are none, and on qualifiers that are no single URL */
export function parseCertificatePolicies(value: Uint8Array): CertificatePolicy[] {
  return wholeSequence(value, (policies) => {
    if (policies.done) throw new DerError('certificatePolicies is empty')
    const found: CertificatePolicy[] = []
    while (!policies.done) {
      const policy = policies.sequence()
      const oid = policy.oid()
      found.push(policy.done ? { oid } : { oid, cps: readCps(policy) })
      policy.end()
    }
    return found
  })
}

function readCps(policy: DerReader): string {
  const qualifiers = policy.sequence()
  const qualifier = qualifiers.sequence()
  if (qualifier.oid() !== OID.cpsQualifier) throw new DerError('a policy qualifier that is no practice statement')
  const cps = qualifier.ia5String(TAG.ia5String)
  qualifier.end()
  qualifiers.end()
  return cps
}

/** @throws {DerError} */
export function parseNoRevAvail(value: Uint8Array): void {
  whole(value, (reader) => reader.null())
}

/** @returns numbers of TLS extensions (RFC 7633 §4). @throws {DerError} */
export function parseTlsFeature(value: Uint8Array): number[] {
  return wholeSequence(value, (features) => {
    if (features.done) throw new DerError('the TLS feature extension is empty')
    const found: number[] = []
    while (!features.done) found.push(features.smallInteger())
    return found
  })
}

/** CRLNumber and other INTEGERs that are not negative and have at most 20 octets. @throws {DerError} */
export function parseUnsignedInteger(value: Uint8Array): bigint {
  const content = whole(value, (reader) => reader.integer())
  if (isNegative(content) || content.length > 20) throw new DerError('a number is negative or has more than 20 octets')
  return BigInt(`0x${content.toString('hex')}`)
}
