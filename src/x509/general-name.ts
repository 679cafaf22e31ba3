/** GeneralNames (RFC 5280 §4.2.1.6). */
import { normalizeEmail } from '../lib/email-address.ts'
import type { Identifier } from '../lib/identifier.ts'
import { parseIpAddress } from '../lib/ip-address.ts'
import { normalizeUri } from '../lib/uri.ts'
import { DerError } from './asn1/der-error.ts'
import { DerReader } from './asn1/reader.ts'
import { contextPrimitive, ia5Content, sequence } from './asn1/writer.ts'

/**
 * A name as it stands in an extension. `other` is every form that we neither issue nor interpret (otherName,
 * directoryName, registeredID, x400Address, ediPartyName), with its tag number and its whole element, so that a
 * caller can refuse it by sight.
 */
export type GeneralName =
  | { readonly type: 'dns'; readonly value: string }
  | { readonly type: 'ip'; readonly bytes: Buffer }
  | { readonly type: 'email'; readonly value: string }
  | { readonly type: 'uri'; readonly value: string }
  | { readonly type: 'other'; readonly tag: number; readonly der: Buffer }

/** Numbers of the CHOICE. */
export const GENERAL_NAME_TAG = {
  otherName: 0,
  email: 1,
  dns: 2,
  x400Address: 3,
  directoryName: 4,
  ediPartyName: 5,
  uri: 6,
  ip: 7,
  registeredId: 8,
} as const

const PRIMITIVE_BITS = 0x80
const CONSTRUCTED_BITS = 0xa0

/**
 * The content of a subjectAltName extension: the GeneralNames in the given order.
 *
 * @throws {RangeError} on an empty list, or a value that is not in the normal form of `Identifier`
 */
export function buildSubjectAltName(names: readonly Identifier[]): Buffer {
  if (names.length === 0) throw new RangeError('a subjectAltName holds at least one name')
  return sequence(...names.map(encodeIdentifier))
}

function encodeIdentifier(name: Identifier): Buffer {
  switch (name.type) {
    case 'dns':
      return dnsGeneralName(name.value)
    case 'ip': {
      const parsed = parseIpAddress(name.value)
      if (!parsed.ok) throw new RangeError(`not an IP address: ${name.value}`)
      return contextPrimitive(GENERAL_NAME_TAG.ip, parsed.bytes)
    }
    case 'uri': {
      const uri = normalizeUri(name.value)
      if (!uri.ok || uri.uri !== name.value) throw new RangeError(`not a URI in normal form: ${name.value}`)
      return uriGeneralName(name.value)
    }
    case 'email': {
      const email = normalizeEmail(name.value)
      if (!email.ok || email.address !== name.value) throw new RangeError(`not a mail address: ${name.value}`)
      return contextPrimitive(GENERAL_NAME_TAG.email, ia5Content(name.value))
    }
    default:
      return name satisfies never
  }
}

/** The last check before the bytes of a certificate; whoever made the identifier has checked far more. */
function dnsGeneralName(name: string): Buffer {
  if (name.length > 253 || !/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name)) {
    throw new RangeError(`not a normalised DNS name: ${JSON.stringify(name)}`)
  }
  return contextPrimitive(GENERAL_NAME_TAG.dns, ia5Content(name))
}

export function uriGeneralName(url: string): Buffer {
  return contextPrimitive(GENERAL_NAME_TAG.uri, ia5Content(url))
}

/**
 * @param der the content of a subjectAltName extension
 * @throws {DerError} on an empty list, text that is not printable ASCII, an address of another size
 */
export function parseGeneralNames(der: Uint8Array): GeneralName[] {
  const outer = new DerReader(der)
  const reader = outer.sequence()
  outer.end()
  return readGeneralNames(reader)
}

/** Reads GeneralNames to the end of `reader`, which stands inside of the SEQUENCE. @throws {DerError} when empty */
export function readGeneralNames(reader: DerReader): GeneralName[] {
  const names: GeneralName[] = []
  while (!reader.done) names.push(readGeneralName(reader))
  if (names.length === 0) throw new DerError('a list of names is empty')
  return names
}

/**
 * @param ipLengths octets that an iPAddress may have: 4 and 16 in a SAN, 8 and 32 (with a mask) in name constraints
 * @throws {DerError}
 */
export function readGeneralName(reader: DerReader, ipLengths: readonly [number, number] = [4, 16]): GeneralName {
  const tag = reader.nextTag
  switch (tag) {
    case PRIMITIVE_BITS | GENERAL_NAME_TAG.dns:
      return { type: 'dns', value: reader.ia5String(tag) }
    case PRIMITIVE_BITS | GENERAL_NAME_TAG.email:
      return { type: 'email', value: reader.ia5String(tag) }
    case PRIMITIVE_BITS | GENERAL_NAME_TAG.uri:
      return { type: 'uri', value: reader.ia5String(tag) }
    case PRIMITIVE_BITS | GENERAL_NAME_TAG.ip: {
      const bytes = reader.content(tag)
      if (!ipLengths.includes(bytes.length)) throw new DerError(`an IP address of ${bytes.length} octets`)
      return { type: 'ip', bytes }
    }
    case CONSTRUCTED_BITS | GENERAL_NAME_TAG.otherName:
    case CONSTRUCTED_BITS | GENERAL_NAME_TAG.x400Address:
    case CONSTRUCTED_BITS | GENERAL_NAME_TAG.directoryName:
    case CONSTRUCTED_BITS | GENERAL_NAME_TAG.ediPartyName:
    case PRIMITIVE_BITS | GENERAL_NAME_TAG.registeredId:
      return { type: 'other', tag: tag & 0x1f, der: reader.element(tag) }
    default:
      throw new DerError('not a GeneralName')
  }
}
