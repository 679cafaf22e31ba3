import type { KeyAlgorithmName } from '../x509/algorithms.ts'
import type { KeyUsageBit } from '../x509/extensions.ts'

/**
 * What a leaf's key may do, by its type (RFC 5280 §4.2.1.3, RFC 8813 §3, RFC 9295 §3). Only RSA keys
 * can encipher another key, for TLS 1.2 without Diffie-Hellman; saying so of others is an error that clients check.
 */
export const LEAF_KEY_USAGES = {
  RSA: ['digitalSignature', 'keyEncipherment'],
  'P-256': ['digitalSignature'],
  'P-384': ['digitalSignature'],
  'P-521': ['digitalSignature'],
  Ed25519: ['digitalSignature'],
} as const satisfies Record<KeyAlgorithmName, readonly KeyUsageBit[]>
