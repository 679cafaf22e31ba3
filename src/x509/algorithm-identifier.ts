import { SIGNATURE_ALGORITHMS, type SignatureAlgorithmName } from './algorithms.ts'
import { DerError } from './asn1/der-error.ts'
import { DerReader } from './asn1/reader.ts'
import { TAG } from './asn1/tags.ts'
import { describeOid } from './oids.ts'

/** The AlgorithmIdentifiers that we write, decoded once. Shared: do not change them. */
const DER_OF = Object.fromEntries(
  Object.entries(SIGNATURE_ALGORITHMS).map(([name, row]) => [name, Buffer.from(row.algorithmIdentifierHex, 'hex')]),
) as Readonly<Record<SignatureAlgorithmName, Buffer>>

const NAME_BY_OID: ReadonlyMap<string, SignatureAlgorithmName> = new Map(
  (Object.keys(SIGNATURE_ALGORITHMS) as SignatureAlgorithmName[]).map((name) => [SIGNATURE_ALGORITHMS[name].oid, name]),
)

/** The row of an OID; undefined for SHA-1, MD5 and everything else we neither sign with nor believe (KF-C14). */
export function findSignatureAlgorithm(oid: string): SignatureAlgorithmName | undefined {
  return NAME_BY_OID.get(oid)
}

export function signatureAlgorithmDer(name: SignatureAlgorithmName): Buffer {
  return DER_OF[name]
}

export interface AlgorithmIdentifier {
  readonly oid: string
  readonly der: Buffer
}

/**
 * Reads the AlgorithmIdentifier of a signature. One that we know must have the parameters of its row; RSA may
 * also leave the NULL out (RFC 4055 §5 obliges readers).
 *
 * @throws {DerError}
 */
export function readSignatureAlgorithm(reader: DerReader): AlgorithmIdentifier {
  const der = reader.rawElement(TAG.sequence)
  for (const name of NAME_BY_OID.values()) {
    if (DER_OF[name].equals(der)) return { oid: SIGNATURE_ALGORITHMS[name].oid, der }
  }
  return readUnusualAlgorithm(der)
}

function readUnusualAlgorithm(der: Buffer): AlgorithmIdentifier {
  const inner = new DerReader(der).sequence()
  const oid = inner.oid()
  const isBareRsa = inner.done && findSignatureAlgorithm(oid)?.endsWith('WithRSAEncryption')
  if (!inner.done) inner.element()
  inner.end()
  if (findSignatureAlgorithm(oid) !== undefined && !isBareRsa) {
    throw new DerError(`the signature algorithm ${describeOid(oid)} has parameters it must not have`)
  }
  return { oid, der }
}
