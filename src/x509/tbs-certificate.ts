import { signatureAlgorithmDer } from './algorithm-identifier.ts'
import type { SignatureAlgorithmName } from './algorithms.ts'
import { bitString, contextConstructed, integer, sequence, time } from './asn1/writer.ts'

export interface TbsFields {
  /** Content octets of the serial number: positive, minimal, at most 20 (RFC 5280 §4.1.2.2). */
  readonly serial: Uint8Array
  readonly signatureAlgorithm: SignatureAlgorithmName
  /** The issuing CA's subject, its very bytes (KF-C18). */
  readonly issuerNameDer: Uint8Array
  /** Whole seconds; both bounds belong to the lifetime. */
  readonly notBefore: Date
  readonly notAfter: Date
  readonly subjectNameDer: Uint8Array
  readonly spkiDer: Uint8Array
  /** Each a whole Extension, written in this order; at least one. */
  readonly extensions: readonly Uint8Array[]
}

const VERSION_3 = contextConstructed(0, integer(2))

/**
 * The part of a certificate that is signed (RFC 5280 §4.1.2). Builds what it is told: whether that is a good
 * certificate, the lints decide.
 *
 * @throws {RangeError} on a serial number, time or list that has no encoding
 */
export function buildTbsCertificate(fields: TbsFields): Buffer {
  if (fields.extensions.length === 0) throw new RangeError('a certificate has at least one extension')
  return sequence(
    VERSION_3,
    serialNumber(fields.serial),
    signatureAlgorithmDer(fields.signatureAlgorithm),
    fields.issuerNameDer,
    sequence(time(fields.notBefore), time(fields.notAfter)),
    fields.subjectNameDer,
    fields.spkiDer,
    contextConstructed(3, sequence(...fields.extensions)),
  )
}

/** The serial number as an INTEGER. @throws {RangeError} unless it is positive, minimal and at most 20 octets */
export function serialNumber(content: Uint8Array): Buffer {
  const first = content[0] ?? 0x80
  if (first >= 0x80 || content.length > 20 || (content.length === 1 && first === 0)) {
    throw new RangeError('a serial number is positive and has at most 20 octets')
  }
  return integer(content)
}

/**
 * Puts signed part, algorithm and signature together; certificate, CRL and certification request alike.
 *
 * @param signature the value of the BIT STRING (for ECDSA the DER SEQUENCE of r and s)
 */
export function assembleSigned(tbs: Uint8Array, algorithm: SignatureAlgorithmName, signature: Uint8Array): Buffer {
  return sequence(tbs, signatureAlgorithmDer(algorithm), bitString(signature))
}
