import { KeyObject, verify } from 'node:crypto'
import { findSignatureAlgorithm } from './algorithm-identifier.ts'
import { KEY_ALGORITHMS, SIGNATURE_ALGORITHMS, type SignatureAlgorithmName } from './algorithms.ts'
import { describeOid } from './oids.ts'
import type { Signed } from './signed.ts'
import type { SubjectPublicKey } from './spki.ts'

/**
 * Whether `key` made the signature, over the bytes as they were received (KF-C15). False for an algorithm outside of
 * `SIGNATURE_ALGORITHMS`, so for SHA-1 and MD5 (KF-C14), and for one that is not the key's own. Never throws.
 */
export function verifySignature(signed: Signed, key: KeyObject | SubjectPublicKey): boolean {
  const algorithm = findSignatureAlgorithm(signed.signatureAlgorithmOid)
  if (algorithm === undefined) return false
  try {
    const keyType = key instanceof KeyObject ? key.asymmetricKeyType : KEY_TYPES[KEY_ALGORITHMS[key.algorithm].kty]
    if (keyType !== keyTypeOf(algorithm)) return false
    const keyObject = key instanceof KeyObject ? key : key.key
    return verify(SIGNATURE_ALGORITHMS[algorithm].hash, signed.tbsDer, keyObject, signed.signature)
  } catch {
    return false
  }
}

/** Why no signature of this algorithm is ever believed, as the end of a sentence; undefined for those that are. */
export function disbelief({ signatureAlgorithmOid }: Pick<Signed, 'signatureAlgorithmOid'>): string | undefined {
  if (findSignatureAlgorithm(signatureAlgorithmOid) !== undefined) return undefined
  return (
    `is signed with ${describeOid(signatureAlgorithmOid)}, which is not accepted here; have it signed with ECDSA, Ed25519 or ` +
    'RSA as in PKCS #1 v1.5, and SHA-256 or longer'
  )
}

/** Node's names of key types. */
const KEY_TYPES = { EC: 'ec', RSA: 'rsa', OKP: 'ed25519' } as const

/** The key type that goes with an algorithm. An RSA key under an ECDSA OID would verify as RSA. */
function keyTypeOf(algorithm: SignatureAlgorithmName): (typeof KEY_TYPES)[keyof typeof KEY_TYPES] {
  switch (algorithm) {
    case 'ecdsa-with-SHA256':
    case 'ecdsa-with-SHA384':
    case 'ecdsa-with-SHA512':
      return 'ec'
    case 'sha256WithRSAEncryption':
    case 'sha384WithRSAEncryption':
    case 'sha512WithRSAEncryption':
      return 'rsa'
    case 'Ed25519':
      return 'ed25519'
    default:
      return algorithm satisfies never
  }
}
