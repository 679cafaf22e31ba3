/** Reading certificate revocation lists (RFC 5280 §5). */
import { readSignatureAlgorithm } from './algorithm-identifier.ts'
import { DerError } from './asn1/der-error.ts'
import { DerReader } from './asn1/reader.ts'
import { TAG } from './asn1/tags.ts'
import { readSerial } from './certificate.ts'
import type { RevokedEntry } from './crl.ts'
import { type ParsedExtension, readExtensions } from './extension.ts'
import { parseAuthorityKeyIdentifier, parseUnsignedInteger, readDistributionPointName } from './extension-values.ts'
import { describeOid, OID } from './oids.ts'
import { readSigned, type Signed } from './signed.ts'

export interface IssuingDistributionPoint {
  /** URIs of the fullName. */
  readonly urls: readonly string[]
  readonly onlyContainsUserCerts: boolean
  readonly onlyContainsCaCerts: boolean
}

export interface ParsedCrl extends Signed {
  readonly der: Buffer
  readonly issuerDer: Buffer
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly extensions: ReadonlyMap<string, ParsedExtension>
  readonly number: bigint
  readonly authorityKeyId: Buffer
  /** Absent: the list covers everything that the issuer has issued. */
  readonly issuingDistributionPoint?: IssuingDistributionPoint
  /**
   * The entries in their order, read while iterating, so that a long list is not held twice.
   *
   * @throws {DerError} at an entry that is malformed
   */
  entries(): Generator<RevokedEntry, void, undefined>
}

const MAX_CRL_BYTES = 256 << 20

/**
 * Reads a version 2 CRL; the result shares the memory of `der`, which must not change any more. The frame is
 * checked at once, each entry when `entries` comes to it. The signature is not verified: see `verifySignature`.
 *
 * @throws {DerError} also on delta and indirect CRLs and on unknown critical extensions, which we cannot judge
 */
export function parseCertList(der: Uint8Array): ParsedCrl {
  const bytes = Buffer.from(der.buffer, der.byteOffset, der.byteLength)
  const options = { maxBytes: MAX_CRL_BYTES }
  const { tbsDer, algorithm, signature } = readSigned(bytes, options)
  const tbs = new DerReader(tbsDer, options).sequence()
  if (tbs.smallInteger() !== 1) throw new DerError('the CRL is not of version 2')
  if (!readSignatureAlgorithm(tbs).der.equals(algorithm.der)) {
    throw new DerError('the signature algorithms inside and outside of the signed part differ')
  }
  const issuerDer = tbs.element(TAG.sequence)
  const thisUpdate = tbs.time()
  const nextUpdate = tbs.time()
  const revokedDer = tbs.isAt(TAG.sequence) ? tbs.rawElement(TAG.sequence) : undefined
  if (revokedDer?.length === 2) throw new DerError('revokedCertificates is empty; it must be absent')
  const explicit = tbs.contextConstructed(0)
  const extensions = readExtensions(explicit.sequence())
  explicit.end()
  tbs.end()
  const point = extensions.get(OID.issuingDistributionPoint)
  return {
    der: bytes,
    tbsDer,
    signatureAlgorithmOid: algorithm.oid,
    signature,
    issuerDer,
    thisUpdate,
    nextUpdate,
    extensions,
    ...readRequired(extensions),
    ...(point === undefined ? {} : { issuingDistributionPoint: parseIssuingDistributionPoint(point) }),
    entries: () => readEntries(revokedDer),
  }
}

/** The two extensions that every CRL has (RFC 5280 §5.2). */
function readRequired(extensions: ReadonlyMap<string, ParsedExtension>): { number: bigint; authorityKeyId: Buffer } {
  for (const [oid, { critical }] of extensions) {
    if (critical && oid !== OID.issuingDistributionPoint) {
      throw new DerError(`the CRL has a critical extension we cannot judge: ${describeOid(oid)}`)
    }
  }
  const number = extensions.get(OID.crlNumber)
  const keyId = extensions.get(OID.authorityKeyIdentifier)
  const authorityKeyId = keyId === undefined ? undefined : parseAuthorityKeyIdentifier(keyId.value)
  if (number === undefined || authorityKeyId === undefined) {
    throw new DerError('the CRL lacks its number or the key identifier of its issuer')
  }
  return { number: parseUnsignedInteger(number.value), authorityKeyId }
}

function parseIssuingDistributionPoint({ critical, value }: ParsedExtension): IssuingDistributionPoint {
  const outer = new DerReader(value)
  const fields = outer.sequence()
  outer.end()
  if (!critical || fields.done) throw new DerError('issuingDistributionPoint must be critical and not empty')
  const urls = fields.isAtConstructed(0) ? readDistributionPointName(fields) : []
  const onlyContainsUserCerts = fields.booleanDefaultFalse(0x81)
  const onlyContainsCaCerts = fields.booleanDefaultFalse(0x82)
  if (!fields.done) throw new DerError('the CRL is indirect or limited in a way that we cannot judge')
  if (onlyContainsUserCerts && onlyContainsCaCerts) throw new DerError('issuingDistributionPoint contradicts itself')
  return { urls, onlyContainsUserCerts, onlyContainsCaCerts }
}

function* readEntries(revokedDer: Buffer | undefined): Generator<RevokedEntry, void, undefined> {
  if (revokedDer === undefined) return
  const list = new DerReader(revokedDer, { maxBytes: MAX_CRL_BYTES }).sequence()
  while (!list.done) {
    const entry = list.sequence()
    const serial = readSerial(entry).toString('hex')
    const revokedAt = entry.time()
    const reason = entry.done ? 0 : readReason(entry.sequence())
    entry.end()
    yield { serial, revokedAt, reason }
  }
}

/** The reason among crlEntryExtensions; 0 when it is not given. */
function readReason(reader: DerReader): number {
  const extensions = readExtensions(reader)
  if (extensions.size === 0) throw new DerError('an empty list of CRL entry extensions')
  for (const [oid, { critical }] of extensions) {
    if (critical) throw new DerError(`a CRL entry has a critical extension we cannot judge: ${describeOid(oid)}`)
  }
  const found = extensions.get(OID.reasonCode)
  if (found === undefined) return 0
  const value = new DerReader(found.value)
  const reason = value.enumerated()
  value.end()
  return reason
}
