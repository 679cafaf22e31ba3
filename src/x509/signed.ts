import { type AlgorithmIdentifier, readSignatureAlgorithm } from './algorithm-identifier.ts'
import { DerReader, type DerReaderOptions } from './asn1/reader.ts'
import { TAG } from './asn1/tags.ts'

/** What `verifySignature` needs; certificates, CRLs and requests all have it. */
export interface Signed {
  /** The bytes that were signed, as they were received (KF-C15). */
  readonly tbsDer: Buffer
  readonly signatureAlgorithmOid: string
  /** The value of the signature BIT STRING. */
  readonly signature: Buffer
}

export interface SignedParts {
  readonly tbsDer: Buffer
  readonly algorithm: AlgorithmIdentifier
  readonly signature: Buffer
}

/** Takes `SIGNED{…}` apart: the common frame of certificates, CRLs and requests. @throws {DerError} */
export function readSigned(der: Uint8Array, options?: DerReaderOptions): SignedParts {
  const outer = new DerReader(der, options)
  const signed = outer.sequence()
  outer.end()
  const tbsDer = signed.rawElement(TAG.sequence)
  const algorithm = readSignatureAlgorithm(signed)
  const signature = signed.octetAlignedBitString()
  signed.end()
  return { tbsDer, algorithm, signature }
}
