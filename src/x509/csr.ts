/** Reading certification requests (PKCS#10, RFC 2986). Nothing in one is believed before its signature is verified. */
import { DerError } from './asn1/der-error.ts'
import { DerReader } from './asn1/reader.ts'
import { TAG } from './asn1/tags.ts'
import { type ParsedExtension, readExtensions } from './extension.ts'
import { parseBasicConstraints, parseKeyUsage } from './extension-values.ts'
import { type GeneralName, parseGeneralNames } from './general-name.ts'
import { parseName } from './name.ts'
import { describeOid, OID } from './oids.ts'
import { verifySignature } from './signature.ts'
import { readSigned, type Signed } from './signed.ts'
import { parseSubjectPublicKey, type SubjectPublicKey } from './spki.ts'

/**
 * What a request says. Only the public key ever reaches a certificate; names are compared with what the requester
 * has proved, the rest is here so that it can be refused (KF-C08).
 */
export interface CertificationRequest extends Signed {
  readonly der: Buffer
  readonly subjectDer: Buffer
  /** Values of the common names that are not empty, in their order. */
  readonly commonNames: readonly string[]
  readonly publicKey: SubjectPublicKey
  /** All forms of names; empty when none are asked for. */
  readonly subjectAltNames: readonly GeneralName[]
  /** Every extension asked for, known or not, in its order. */
  readonly requestedExtensions: readonly RequestedExtension[]
  /** Whether it asks for a CA certificate: `cA` in basicConstraints, or keyCertSign or cRLSign in keyUsage. */
  readonly requestsCa: boolean
}

export interface RequestedExtension extends ParsedExtension {
  readonly oid: string
}

/**
 * Reads a request of at most 64 KiB; the result holds a copy of the bytes. Attributes need not be sorted, and may
 * be missing or empty; unknown ones are passed over.
 *
 * @throws {DerError} on anything that is not strict DER, on names that are not text (KF-C16), on a repeated
 *   extension, on more than one list of extensions, and on keys that `parseSubjectPublicKey` refuses
 */
export function parseCertificationRequest(der: Uint8Array): CertificationRequest {
  const copy = Buffer.from(der)
  const { tbsDer, algorithm, signature } = readSigned(copy)
  const info = new DerReader(tbsDer).sequence()
  if (info.smallInteger() !== 0) throw new DerError('the certification request is not of version 1')
  const subject = parseName(info.rawElement(TAG.sequence))
  const publicKey = parseSubjectPublicKey(info.rawElement(TAG.sequence))
  const extensions = readAttributes(info)
  info.end()
  const subjectAltName = extensions.get(OID.subjectAltName)
  return {
    der: copy,
    tbsDer,
    signatureAlgorithmOid: algorithm.oid,
    signature,
    subjectDer: subject.der,
    commonNames: subject.attributes.filter((a) => a.oid === OID.commonName && a.value !== '').map((a) => a.value),
    publicKey,
    subjectAltNames: subjectAltName === undefined ? [] : parseGeneralNames(subjectAltName.value),
    requestedExtensions: [...extensions].map(([oid, { critical, value }]) => ({ oid, critical, value })),
    requestsCa: asksForCa(extensions),
  }
}

/** Whether the request was signed with the key it holds, over the bytes as they were received (KF-C15). */
export function verifyCertificationRequest(request: CertificationRequest): boolean {
  return verifySignature(request, request.publicKey)
}

/** `attributes [0] IMPLICIT SET OF Attribute`. Some writers leave the whole field out when there are none. */
function readAttributes(info: DerReader): Map<string, ParsedExtension> {
  if (info.done) return new Map()
  const attributes = info.contextConstructed(0)
  const seen = new Set<string>()
  let extensions: Map<string, ParsedExtension> | undefined
  while (!attributes.done) {
    const attribute = attributes.sequence()
    const type = attribute.oid()
    if (seen.has(type)) throw new DerError(`the attribute ${describeOid(type)} occurs twice`)
    seen.add(type)
    if (type === OID.extensionRequest || type === OID.microsoftExtensionRequest) {
      if (extensions !== undefined) throw new DerError('extensions are requested twice')
      extensions = readExtensionRequest(attribute)
    } else {
      attribute.element(TAG.set)
    }
    attribute.end()
  }
  return extensions ?? new Map()
}

/** The one value of an extensionRequest; an empty list asks for nothing (RFC 2985 §5.4.2). */
function readExtensionRequest(attribute: DerReader): Map<string, ParsedExtension> {
  const values = attribute.set()
  const extensions = readExtensions(values.sequence())
  values.end()
  return extensions
}

function asksForCa(extensions: ReadonlyMap<string, ParsedExtension>): boolean {
  const constraints = extensions.get(OID.basicConstraints)
  const usage = extensions.get(OID.keyUsage)
  const bits = usage === undefined ? undefined : parseKeyUsage(usage.value)
  const isCa = constraints !== undefined && parseBasicConstraints(constraints.value).ca
  return isCa || bits?.has('keyCertSign') === true || bits?.has('cRLSign') === true
}
