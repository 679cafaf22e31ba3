import type { Jwk } from '../../store/records.ts'
import type { KeyAlgorithmName } from '../../x509/algorithms.ts'

/**
 * The signature algorithms of ACME requests (RFC 8555 §6.2, CQ-J01), each bound to one kind of key: neither the key
 * nor the header alone chooses. ECDSA signatures are r and s at full width, never DER (RFC 7518 §3.4).
 */
export const JWS_ALGORITHMS = {
  ES256: { kty: 'EC', crv: 'P-256', hash: 'sha256', signatureBytes: 64, keyAlgorithm: 'P-256', keyBits: 256 }, // RFC 7518 §3.4
  ES384: { kty: 'EC', crv: 'P-384', hash: 'sha384', signatureBytes: 96, keyAlgorithm: 'P-384', keyBits: 384 },
  ES512: { kty: 'EC', crv: 'P-521', hash: 'sha512', signatureBytes: 132, keyAlgorithm: 'P-521', keyBits: 521 },
  RS256: {
    kty: 'RSA',
    crv: undefined,
    hash: 'sha256',
    signatureBytes: undefined,
    keyAlgorithm: 'RSA',
    keyBits: undefined,
  }, // §3.3
  EdDSA: { kty: 'OKP', crv: 'Ed25519', hash: undefined, signatureBytes: 64, keyAlgorithm: 'Ed25519', keyBits: 256 }, // RFC 8037 §3.1
} as const satisfies Record<
  string,
  {
    kty: Jwk['kty']
    crv: string | undefined
    hash: string | undefined
    /** Undefined: as long as the modulus. */
    signatureBytes: number | undefined
    keyAlgorithm: KeyAlgorithmName
    /** Undefined: as long as the modulus. */
    keyBits: number | undefined
  }
>

export type JwsAlgorithmName = keyof typeof JWS_ALGORITHMS

export const SUPPORTED_ALGORITHMS = Object.keys(JWS_ALGORITHMS) as readonly JwsAlgorithmName[]

/** MACs for external account binding only (RFC 8555 §7.3.4, CQ-A11); never for a request. */
export const MAC_ALGORITHMS = {
  HS256: { hash: 'sha256' }, // RFC 7518 §3.2
  HS384: { hash: 'sha384' },
  HS512: { hash: 'sha512' },
} as const

export type MacAlgorithmName = keyof typeof MAC_ALGORITHMS

export function isSupportedAlgorithm(name: string): name is JwsAlgorithmName {
  return Object.hasOwn(JWS_ALGORITHMS, name)
}

export function isMacAlgorithm(name: string): name is MacAlgorithmName {
  return Object.hasOwn(MAC_ALGORITHMS, name)
}

/** The one algorithm that a key may be used with. */
export function algorithmOf(jwk: Jwk): JwsAlgorithmName {
  switch (jwk.kty) {
    case 'RSA':
      return 'RS256'
    case 'OKP':
      return 'EdDSA'
    case 'EC':
      switch (jwk.crv) {
        case 'P-256':
          return 'ES256'
        case 'P-384':
          return 'ES384'
        case 'P-521':
          return 'ES512'
        default:
          return jwk satisfies never
      }
    default:
      return jwk satisfies never
  }
}
