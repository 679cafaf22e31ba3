import { createHash } from 'node:crypto'
import { checkPublicKey } from '../policy/key-policy.ts'
import type { Store } from '../store/store.ts'
import { JWS_ALGORITHMS } from './jws/algorithms.ts'
import type { PublicJwk } from './jws/jwk.ts'
import { AcmeError } from './problem.ts'

/** Which keys may be account keys; unlike keys of certificates, not a matter of a directory's policy (RFC 8555 §6.2). */
const ACCOUNT_KEY_RULES = {
  algorithms: ['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519'] as ('P-256' | 'P-384' | 'P-521' | 'RSA' | 'Ed25519')[],
  minRsaBits: 2048,
  maxRsaBits: 4096,
}

/** Hex SHA-256 of the SPKI, by which keys are known across accounts and certificates. */
export function spkiSha256(spkiDer: Buffer): string {
  return createHash('sha256').update(spkiDer).digest('hex')
}

/**
 * Refuses a new account key that is weak (KF-C12) or was reported as compromised (KF-C13). For registration and key
 * change only: a key that already is an account's was checked then.
 *
 * @throws {AcmeError} `badPublicKey` with every reason
 */
export async function checkNewAccountKey(
  key: Pick<PublicJwk, 'algorithm' | 'bits' | 'rsa' | 'spkiDer'>,
  store: Pick<Store, 'blockedKeys'>,
): Promise<void> {
  const sha256 = spkiSha256(key.spkiDer)
  const algorithm = JWS_ALGORITHMS[key.algorithm].keyAlgorithm
  const reasons = checkPublicKey(
    { algorithm, bits: key.bits, sha256, ...(key.rsa && { rsa: key.rsa }) },
    ACCOUNT_KEY_RULES,
  )
  if (reasons.length > 0)
    throw new AcmeError('badPublicKey', `The account key is not acceptable: ${reasons.join('; ')}`)
  if (await store.blockedKeys.isBlocked(sha256)) {
    throw new AcmeError(
      'badPublicKey',
      'The account key is not acceptable: it was reported as compromised; make a new one',
    )
  }
}
