import type { Identifier } from '../lib/identifier.ts'
import { contextConstructed, integer, oid, sequence, set } from './asn1/writer.ts'
import { subjectAltName } from './extensions.ts'
import { OID } from './oids.ts'

export interface CertificationRequestFields {
  readonly subjectNameDer: Uint8Array
  readonly spkiDer: Uint8Array
  /** Asked for in a subjectAltName extension that is not critical. Absent or empty: no such extension. */
  readonly subjectAltNames?: readonly Identifier[]
  /** Further whole Extensions. */
  readonly extensions?: readonly Uint8Array[]
}

/** The part of a certification request that is signed (RFC 2986 §4.1); `assembleSigned` makes the request of it. */
export function buildCertificationRequestInfo(fields: CertificationRequestFields): Buffer {
  const names = fields.subjectAltNames ?? []
  const extensions = [...(names.length > 0 ? [subjectAltName(names, false)] : []), ...(fields.extensions ?? [])]
  const attributes = extensions.length > 0 ? [sequence(oid(OID.extensionRequest), set(sequence(...extensions)))] : []
  return sequence(integer(0), fields.subjectNameDer, fields.spkiDer, contextConstructed(0, ...attributes))
}
