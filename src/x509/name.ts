/** Distinguished names (RFC 5280 §4.1.2.4, §4.1.2.6). */
import { DerError } from './asn1/der-error.ts'
import { DerReader } from './asn1/reader.ts'
import { oid, printableString, sequence, set, utf8String } from './asn1/writer.ts'
import { OID } from './oids.ts'

/** Attribute types that we write, with the string type and the upper bound in characters (RFC 5280 appendix A). */
const ATTRIBUTES = {
  CN: { oid: OID.commonName, maxLength: 64, encode: utf8String },
  O: { oid: OID.organizationName, maxLength: 64, encode: utf8String },
  OU: { oid: OID.organizationalUnitName, maxLength: 64, encode: utf8String },
  C: { oid: OID.countryName, maxLength: 2, encode: printableString },
  ST: { oid: OID.stateOrProvinceName, maxLength: 128, encode: utf8String },
  L: { oid: OID.localityName, maxLength: 128, encode: utf8String },
  serialNumber: { oid: OID.serialNumber, maxLength: 64, encode: printableString },
} as const

/** The object identifier of an attribute type that we write. */
export function attributeOid(type: NameAttribute['type']): string {
  return ATTRIBUTES[type].oid
}

export interface NameAttribute {
  readonly type: keyof typeof ATTRIBUTES
  readonly value: string
}

/**
 * A Name with one attribute per RDN, in the given order; `[]` is the empty SEQUENCE. Only for a subject that does
 * not exist yet: an issuer name is always copied from the CA certificate (KF-C18).
 *
 * @throws {RangeError} when a value is empty, too long, or holds characters that its type does not allow
 */
export function buildName(attributes: readonly NameAttribute[]): Buffer {
  return sequence(
    ...attributes.map(({ type, value }) => {
      const row = ATTRIBUTES[type]
      const length = [...value].length
      if (length === 0 || length > row.maxLength) {
        throw new RangeError(`subject attribute ${type} must have 1 to ${row.maxLength} characters`)
      }
      if (type === 'C' && !/^[A-Z]{2}$/.test(value)) throw new RangeError('subject attribute C must be two capitals')
      if (/\p{Cc}/u.test(value) || !value.isWellFormed()) {
        throw new RangeError(`subject attribute ${type} holds a control character`)
      }
      return set(sequence(oid(row.oid), row.encode(value)))
    }),
  )
}

export interface ParsedName {
  /** In the order of the encoding; the attributes of a multi-valued RDN follow each other. */
  readonly attributes: readonly { readonly oid: string; readonly value: string }[]
  readonly der: Buffer
}

/**
 * Reads a Name whose values are all text (KF-C16).
 *
 * @throws {DerError} on BMPString and other types we do not read, NUL, control characters
 */
export function parseName(der: Uint8Array): ParsedName {
  const outer = new DerReader(der)
  const name = outer.sequence()
  outer.end()
  const attributes: { oid: string; value: string }[] = []
  while (!name.done) {
    const rdn = name.set()
    if (rdn.done) throw new DerError('a name holds an empty relative distinguished name')
    while (!rdn.done) {
      const attribute = rdn.sequence()
      attributes.push({ oid: attribute.oid(), value: attribute.text() })
      attribute.end()
    }
  }
  return { attributes, der: Buffer.from(der.buffer, der.byteOffset, der.byteLength) }
}

/** Whether the Name is the empty SEQUENCE. */
export function isEmptyName(der: Uint8Array): boolean {
  return der.length === 2 && der[0] === 0x30 && der[1] === 0
}
