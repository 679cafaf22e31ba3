import type { KeyObject } from 'node:crypto'
import { createHash, createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'

/** The signature algorithms a test client can use, as node:crypto does them. */
export type TestAlgorithm = 'ES256' | 'ES384' | 'ES512' | 'RS256' | 'EdDSA'

const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const
const HASHES = { ES256: 'sha256', ES384: 'sha384', ES512: 'sha512', RS256: 'sha256', EdDSA: undefined } as const

/** A client's key pair with everything a test may want to say about it. */
export interface TestKey {
  readonly algorithm: TestAlgorithm
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: Readonly<Record<string, string>>
  /** RFC 7638 SHA-256 thumbprint, base64url. */
  readonly thumbprint: string
  readonly spkiDer: Buffer
}

export function generateTestKey(algorithm: TestAlgorithm = 'ES256', options: { rsaBits?: number } = {}): TestKey {
  if (algorithm === 'RS256') {
    return testKeyOf(algorithm, generateKeyPairSync('rsa', { modulusLength: options.rsaBits ?? 2048 }).privateKey)
  }
  if (algorithm === 'EdDSA') return testKeyOf(algorithm, generateKeyPairSync('ed25519').privateKey)
  return testKeyOf(algorithm, generateKeyPairSync('ec', { namedCurve: CURVES[algorithm] }).privateKey)
}

export function testKeyOf(algorithm: TestAlgorithm, privateKey: KeyObject): TestKey {
  const publicKey = createPublicKey(privateKey)
  const jwk = publicKey.export({ format: 'jwk' }) as Record<string, string>
  const thumbprint = createHash('sha256')
    .update(JSON.stringify(sorted(jwk)))
    .digest('base64url')
  return {
    algorithm,
    privateKey,
    publicKey,
    jwk,
    thumbprint,
    spkiDer: publicKey.export({ format: 'der', type: 'spki' }),
  }
}

function sorted(jwk: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A JWS signature (RFC 7518 §3.4: raw r and s for ECDSA) over `input`. */
export function signJws(key: TestKey, input: string, algorithm: TestAlgorithm = key.algorithm): Buffer {
  const bytes = Buffer.from(input)
  const isEc = key.publicKey.asymmetricKeyType === 'ec'
  return sign(HASHES[algorithm], bytes, isEc ? { key: key.privateKey, dsaEncoding: 'ieee-p1363' } : key.privateKey)
}

export interface FlattenedJws {
  readonly protected: string
  readonly payload: string
  readonly signature: string
}

/** A flattened JWS with any protected header, signed by a key or, given `mac`, by HMAC. */
export function flattenedJws(
  header: unknown,
  payload: unknown,
  signer: { key: TestKey } | { mac: Buffer; hash?: 'sha256' | 'sha384' | 'sha512' },
): FlattenedJws {
  const encodedHeader = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header)).toString('base64url')
  const encodedPayload = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)).toString(
    'base64url',
  )
  const input = `${encodedHeader}.${encodedPayload}`
  const signature =
    'key' in signer
      ? signJws(signer.key, input)
      : createHmac(signer.hash ?? 'sha256', signer.mac)
          .update(input)
          .digest()
  return { protected: encodedHeader, payload: encodedPayload, signature: signature.toString('base64url') }
}
