import type { KeyObject } from 'node:crypto'
import { verify } from 'node:crypto'
import { AcmeError } from '../problem.ts'
import type { JwsAlgorithmName } from './algorithms.ts'
import { JWS_ALGORITHMS } from './algorithms.ts'
import type { FlattenedJws } from './flattened.ts'

/**
 * Verifies the signature. `algorithm` must be the one of the key (`algorithmOf`), not merely what the header says.
 *
 * @throws {AcmeError} `malformed` when the signature has a wrong length (KF-B22), or does not verify
 */
export function verifySignature(jws: FlattenedJws, algorithm: JwsAlgorithmName, key: KeyObject): void {
  const row = JWS_ALGORITHMS[algorithm]
  const expected = row.signatureBytes ?? Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
  if (jws.signature.length !== expected) {
    const form = row.kty === 'EC' ? ': r and s at full width, one after the other, not DER (RFC 7518 §3.4)' : ''
    throw new AcmeError(
      'malformed',
      `An ${algorithm} signature by this key has ${expected} octets, not ${jws.signature.length}${form}`,
    )
  }
  const isGood = verify(
    row.hash,
    jws.signingInput,
    row.kty === 'EC' ? { key, dsaEncoding: 'ieee-p1363' } : key,
    jws.signature,
  )
  if (!isGood) throw new AcmeError('malformed', 'The JWS signature does not verify with this key')
}
