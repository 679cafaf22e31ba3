import { decodeBase64url, encodeBase64url } from '../../lib/base64url.ts'

/** A certificate as renewal information names it: its issuer's key identifier and its serial, both lower-case hex. */
export interface CertificateId {
  readonly issuerId: string
  readonly serial: string
}

/** RFC 5280 §4.1.2.2 allows 20 octets, and one more where the sign needs it. */
const MAX_SERIAL_OCTETS = 21
const MAX_KEY_ID_OCTETS = 64

/**
 * Reads `base64url(key identifier).base64url(serial octets)` (RFC 9773 §4.1). One certificate has one spelling: other
 * encodings of the same bytes, and integers that are not minimal or not positive, are no identifiers.
 *
 * @returns undefined when the text is not one
 */
export function parseCertificateId(text: string): CertificateId | undefined {
  const dot = text.indexOf('.')
  if (dot < 1 || text.length > 200) return undefined
  const keyId = decodeBase64url(text.slice(0, dot))
  const serial = decodeBase64url(text.slice(dot + 1))
  if (keyId === undefined || keyId.length === 0 || keyId.length > MAX_KEY_ID_OCTETS) return undefined
  if (serial === undefined || serial.length > MAX_SERIAL_OCTETS || !isPositiveInteger(serial)) return undefined
  return { issuerId: keyId.toString('hex'), serial: serial.toString('hex') }
}

export function renderCertificateId({ issuerId, serial }: CertificateId): string {
  return `${encodeBase64url(Buffer.from(issuerId, 'hex'))}.${encodeBase64url(Buffer.from(serial, 'hex'))}`
}

/** The content octets of a DER INTEGER greater than zero (X.690 §8.3.2). */
function isPositiveInteger(octets: Buffer): boolean {
  const [first, second] = octets
  if (first === undefined || first >= 0x80) return false
  return first !== 0 || (second !== undefined && second >= 0x80)
}
