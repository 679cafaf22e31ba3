/** Certificate revocation lists, version 2 (RFC 5280 §5). Building is linear and can be done in pieces. */
import { signatureAlgorithmDer } from './algorithm-identifier.ts'
import type { SignatureAlgorithmName } from './algorithms.ts'
import { TAG } from './asn1/tags.ts'
import { encodeTime } from './asn1/time.ts'
import { contextConstructed, enumerated, header, integer, sequence, time } from './asn1/writer.ts'
import { extension } from './extension.ts'
import { authorityKeyIdentifier, crlNumber, issuingDistributionPoint } from './extensions.ts'
import { OID } from './oids.ts'

export { type IssuingDistributionPoint, type ParsedCrl, parseCertList } from './crl-reader.ts'

export interface RevokedEntry {
  /** Content octets of the serial number in hex, as everywhere outside of `x509/` (KF-C23). */
  readonly serial: string
  /** Whole seconds. */
  readonly revokedAt: Date
  /** RFC 5280 §5.3.1; 0 (unspecified) writes no reasonCode, 7 does not exist, 8 is only for delta CRLs. */
  readonly reason: number
}

interface CertListEnvelope {
  readonly signatureAlgorithm: SignatureAlgorithmName
  /** The issuing CA's subject, its very bytes (KF-C18). */
  readonly issuerNameDer: Uint8Array
  /** Whole seconds, as `nextUpdate`. */
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** The CA's own subjectKeyIdentifier. */
  readonly authorityKeyId: Uint8Array
  /** Strictly greater than the number of every earlier CRL of this issuer. */
  readonly number: bigint
  /** The same text as in the cRLDistributionPoints of the certificates that the list covers (RFC 5280 §5.2.5). */
  readonly distributionPointUrl: string
  /** TRUE when the list covers end-entity certificates only. */
  readonly onlyContainsUserCerts: boolean
}

/**
 * The entries, or the same encoded already: pieces from `encodeRevokedEntries`, in their order. A publisher of
 * a long list encodes piece by piece and lets other work run in between.
 */
export type CertListFields = CertListEnvelope &
  (
    | { readonly entries: Iterable<RevokedEntry>; readonly encodedEntries?: never }
    | { readonly encodedEntries: readonly Uint8Array[]; readonly entries?: never }
  )

const VERSION_2 = integer(1)

/**
 * The part of a CRL that is signed: version 2, with AKI, CRLNumber and a critical issuingDistributionPoint.
 * `revokedCertificates` is left out when there is nothing revoked (RFC 5280 §5.1.2.6). `assembleSigned` makes the
 * CRL of it.
 *
 * @throws {RangeError} on a serial number, time, reason or number that has no encoding
 */
export function buildTbsCertList(fields: CertListFields): Buffer {
  const encoded = fields.encodedEntries ?? [encodeRevokedEntries(fields.entries)]
  const length = encoded.reduce((sum, piece) => sum + piece.length, 0)
  return sequence(
    VERSION_2,
    signatureAlgorithmDer(fields.signatureAlgorithm),
    fields.issuerNameDer,
    time(fields.thisUpdate),
    time(fields.nextUpdate),
    ...(length === 0 ? [] : [header(TAG.sequence, length), ...encoded]),
    contextConstructed(
      0,
      sequence(
        authorityKeyIdentifier(fields.authorityKeyId),
        crlNumber(fields.number),
        issuingDistributionPoint({
          url: fields.distributionPointUrl,
          onlyContainsUserCerts: fields.onlyContainsUserCerts,
        }),
      ),
    ),
  )
}

/**
 * Entries of `revokedCertificates`, one behind the other without the SEQUENCE around them, for `encodedEntries`.
 * One or two microseconds an entry: with 1000 at a time the loop is held up for a millisecond or two.
 *
 * @throws {RangeError} on a serial number that is not hex, or a time or reason that has no encoding
 */
export function encodeRevokedEntries(entries: Iterable<RevokedEntry>): Buffer {
  let out = Buffer.allocUnsafe(256 * MAX_ENTRY_BYTES)
  let at = 0
  for (const entry of entries) {
    if (out.length - at < MAX_ENTRY_BYTES) out = Buffer.concat([out], out.length * 2)
    at = writeEntry(out, at, entry)
  }
  return Buffer.from(out.subarray(0, at))
}

/** Header, serial number of 20 octets, GeneralizedTime, reasonCode: 2 + 22 + 17 + 14. */
const MAX_ENTRY_BYTES = 55

/** Positive, minimal, at most 20 octets (RFC 5280 §4.1.2.2), in lower-case hex. */
const SERIAL_HEX = /^(?!00(?:[0-7]|$))[0-7][0-9a-f](?:[0-9a-f]{2}){0,19}$/

/** Writes `SEQUENCE { serial, time, extensions OPTIONAL }` at `start` and returns where it ends. Lists get long. */
function writeEntry(out: Buffer, start: number, { serial, revokedAt, reason }: RevokedEntry): number {
  if (!SERIAL_HEX.test(serial)) throw new RangeError(`not a serial number in hex: ${JSON.stringify(serial)}`)
  const { tag, text } = encodeTime(revokedAt)
  let at = start + 2
  out[at++] = TAG.integer
  out[at++] = serial.length / 2
  at += out.write(serial, at, 'hex')
  out[at++] = tag
  out[at++] = text.length
  at += out.write(text, at, 'latin1')
  if (reason !== 0) at += reasonExtensions(reason).copy(out, at)
  out[start] = TAG.sequence
  out[start + 1] = at - start - 2
  return at
}

/** `crlEntryExtensions` with a reasonCode, by reason (RFC 5280 §5.3.1). Full CRLs have no removeFromCRL (8). */
const REASON_EXTENSIONS: ReadonlyMap<number, Buffer> = new Map(
  [1, 2, 3, 4, 5, 6, 9, 10].map((reason) => [reason, sequence(extension(OID.reasonCode, false, enumerated(reason)))]),
)

function reasonExtensions(reason: number): Buffer {
  const encoded = REASON_EXTENSIONS.get(reason)
  if (encoded === undefined) throw new RangeError(`not a reason for a full CRL: ${reason}`)
  return encoded
}
