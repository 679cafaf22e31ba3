/** The Extension structure (RFC 5280 §4.1.2.9), shared by certificates, CRLs and requests. */
import { DerError } from './asn1/der-error.ts'
import type { DerReader } from './asn1/reader.ts'
import { boolean, octetString, oid, sequence } from './asn1/writer.ts'
import { describeOid } from './oids.ts'

/** Names of the bits of keyUsage in their order (RFC 5280 §4.2.1.3). */
export const KEY_USAGE_BITS = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

export type KeyUsageBit = (typeof KEY_USAGE_BITS)[number]

export interface ParsedExtension {
  readonly critical: boolean
  /** What the OCTET STRING holds. */
  readonly value: Buffer
}

/** `SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }`, where `value` is what the OCTET STRING holds. */
export function extension(dottedOid: string, critical: boolean, value: Uint8Array): Buffer {
  return critical
    ? sequence(oid(dottedOid), boolean(true), octetString(value))
    : sequence(oid(dottedOid), octetString(value))
}

/**
 * Reads Extensions to the end of `reader`, which stands inside of the SEQUENCE; in their order.
 *
 * @throws {DerError} on a repeated OID (RFC 5280 §4.2)
 */
export function readExtensions(reader: DerReader): Map<string, ParsedExtension> {
  const extensions = new Map<string, ParsedExtension>()
  while (!reader.done) {
    const item = reader.sequence()
    const id = item.oid()
    const critical = item.booleanDefaultFalse()
    const value = item.octetString()
    item.end()
    if (extensions.has(id)) throw new DerError(`the extension ${describeOid(id)} occurs twice`)
    extensions.set(id, { critical, value })
  }
  return extensions
}
