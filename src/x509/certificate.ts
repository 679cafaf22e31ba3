/** Reading certificates (RFC 5280 §4.1), strictly: what is not as specified is refused, not repaired. */
import { type AlgorithmIdentifier, readSignatureAlgorithm } from './algorithm-identifier.ts'
import { DerError } from './asn1/der-error.ts'
import { DerReader, isNegative } from './asn1/reader.ts'
import { TAG } from './asn1/tags.ts'
import { type KeyUsageBit, type ParsedExtension, readExtensions } from './extension.ts'
import {
  type AuthorityInfoAccess,
  type BasicConstraints,
  parseAuthorityInfoAccess,
  parseAuthorityKeyIdentifier,
  parseBasicConstraints,
  parseCrlDistributionPoints,
  parseExtendedKeyUsage,
  parseKeyUsage,
  parseSubjectKeyIdentifier,
} from './extension-values.ts'
import { type GeneralName, parseGeneralNames } from './general-name.ts'
import { type NameConstraints, parseNameConstraints } from './name-constraints.ts'
import { OID } from './oids.ts'
import { readSigned, type Signed } from './signed.ts'
import { parseSubjectPublicKey, type SubjectPublicKey } from './spki.ts'

export interface ParsedTbsCertificate {
  /** The bytes that are signed. */
  readonly tbsDer: Buffer
  /** Content octets, a leading 00 included. */
  readonly serial: Buffer
  /** The same in lower-case hex, two digits an octet; the one form a serial has outside of here (KF-C23). */
  readonly serialHex: string
  readonly signatureAlgorithmOid: string
  readonly signatureAlgorithmDer: Buffer
  readonly issuerDer: Buffer
  readonly subjectDer: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: SubjectPublicKey
  /** By OID, in their order. */
  readonly extensions: ReadonlyMap<string, ParsedExtension>
  readonly basicConstraints?: BasicConstraints
  readonly keyUsage?: ReadonlySet<KeyUsageBit>
  /** OIDs. Absent when the certificate is not limited by purpose. */
  readonly extendedKeyUsage?: readonly string[]
  /** Empty when the extension is absent. */
  readonly subjectAltNames: readonly GeneralName[]
  readonly subjectKeyId?: Buffer
  readonly authorityKeyId?: Buffer
  /** URIs; empty when the extension is absent. */
  readonly crlDistributionPoints: readonly string[]
  readonly authorityInfoAccess?: AuthorityInfoAccess
  readonly nameConstraints?: NameConstraints
}

export interface ParsedCertificate extends ParsedTbsCertificate {
  readonly der: Buffer
  /** The value of the signature BIT STRING. */
  readonly signature: Buffer
}

/**
 * Reads a version 3 certificate of at most 64 KiB. The result holds a copy of the bytes. The signature is not
 * verified: see `verifySignature`.
 *
 * @throws {DerError} on anything that is not strict DER, on a repeated extension, on an inner and outer signature
 *   algorithm that differ, and on public keys that `parseSubjectPublicKey` refuses
 */
export function parseCertificate(der: Uint8Array): ParsedCertificate {
  const copy = Buffer.from(der)
  const { tbsDer, algorithm, signature } = readSigned(copy)
  const tbs = readTbs(tbsDer)
  refuseOtherAlgorithm(tbs.signatureAlgorithmDer, algorithm)
  return { ...tbs, der: copy, signature }
}

/** What says which certificate it is, and what its signature is over. */
export interface CertificateFrame extends Signed {
  readonly serialHex: string
}

/**
 * As `parseCertificate`, but nothing behind the serial number is read: for a signed part that was read before, and with
 * which `tbsDer` is then compared.
 *
 * @throws {DerError}
 */
export function parseCertificateFrame(der: Uint8Array): CertificateFrame {
  const { tbsDer, algorithm, signature } = readSigned(der)
  const head = readHead(new DerReader(tbsDer).sequence())
  refuseOtherAlgorithm(head.algorithm.der, algorithm)
  return { tbsDer, signatureAlgorithmOid: algorithm.oid, signature, serialHex: head.serial.toString('hex') }
}

function refuseOtherAlgorithm(inside: Buffer, outside: AlgorithmIdentifier): void {
  if (!inside.equals(outside.der))
    throw new DerError('the signature algorithms inside and outside of the signed part differ')
}

/** As `parseCertificate`, for the part that is signed; to look at a certificate before it exists (KF-C17). */
export function parseTbsCertificate(tbsDer: Uint8Array): ParsedTbsCertificate {
  return readTbs(Buffer.from(tbsDer))
}

function readTbs(tbsDer: Buffer): ParsedTbsCertificate {
  const outer = new DerReader(tbsDer)
  const tbs = outer.sequence()
  outer.end()
  const { serial, algorithm } = readHead(tbs)
  const issuerDer = tbs.element(TAG.sequence)
  const validity = tbs.sequence()
  const notBefore = validity.time()
  const notAfter = validity.time()
  validity.end()
  const subjectDer = tbs.element(TAG.sequence)
  const publicKey = parseSubjectPublicKey(tbs.rawElement(TAG.sequence))
  const extensions = readCertificateExtensions(tbs)
  tbs.end()
  return {
    tbsDer,
    serial,
    serialHex: serial.toString('hex'),
    signatureAlgorithmOid: algorithm.oid,
    signatureAlgorithmDer: algorithm.der,
    issuerDer,
    subjectDer,
    notBefore,
    notAfter,
    publicKey,
    extensions,
    ...readKnownExtensions(extensions),
  }
}

function readHead(tbs: DerReader): { readonly serial: Buffer; readonly algorithm: AlgorithmIdentifier } {
  readVersion(tbs)
  const serial = readSerial(tbs)
  return { serial, algorithm: readSignatureAlgorithm(tbs) }
}

function readVersion(tbs: DerReader): void {
  if (!tbs.isAtConstructed(0)) throw new DerError('the certificate is not of version 3')
  const version = tbs.contextConstructed(0)
  if (version.smallInteger() !== 2) throw new DerError('the certificate is not of version 3')
  version.end()
}

/** Zero passes: roots with it exist, and RFC 5280 §4.1.2.2 asks readers to cope. Our own never have it. */
export function readSerial(reader: DerReader): Buffer {
  const serial = reader.integer()
  if (isNegative(serial) || serial.length > 20) {
    throw new DerError('the serial number is negative or has more than 20 octets')
  }
  return serial
}

function readCertificateExtensions(tbs: DerReader): Map<string, ParsedExtension> {
  if (!tbs.isAtConstructed(3)) return new Map()
  const explicit = tbs.contextConstructed(3)
  const list = explicit.sequence()
  explicit.end()
  if (list.done) throw new DerError('the list of extensions is empty')
  return readExtensions(list)
}

type KnownExtensions = Pick<
  ParsedTbsCertificate,
  | 'basicConstraints'
  | 'keyUsage'
  | 'extendedKeyUsage'
  | 'subjectAltNames'
  | 'subjectKeyId'
  | 'authorityKeyId'
  | 'crlDistributionPoints'
  | 'authorityInfoAccess'
  | 'nameConstraints'
>

/** Known extensions must be well-formed even if nobody asks for them. What is absent is left out. */
function readKnownExtensions(extensions: ReadonlyMap<string, ParsedExtension>): KnownExtensions {
  const known: Mutable<KnownExtensions> = { subjectAltNames: [], crlDistributionPoints: [] }
  for (const [oid, { value }] of extensions) {
    switch (oid) {
      case OID.basicConstraints:
        known.basicConstraints = parseBasicConstraints(value)
        break
      case OID.keyUsage:
        known.keyUsage = parseKeyUsage(value)
        break
      case OID.extKeyUsage:
        known.extendedKeyUsage = parseExtendedKeyUsage(value)
        break
      case OID.subjectAltName:
        known.subjectAltNames = parseGeneralNames(value)
        break
      case OID.subjectKeyIdentifier:
        known.subjectKeyId = parseSubjectKeyIdentifier(value)
        break
      case OID.authorityKeyIdentifier: {
        const keyId = parseAuthorityKeyIdentifier(value)
        if (keyId !== undefined) known.authorityKeyId = keyId
        break
      }
      case OID.crlDistributionPoints:
        known.crlDistributionPoints = parseCrlDistributionPoints(value)
        break
      case OID.authorityInfoAccess:
        known.authorityInfoAccess = parseAuthorityInfoAccess(value)
        break
      case OID.nameConstraints:
        known.nameConstraints = parseNameConstraints(value)
        break
      default:
    }
  }
  return known
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
