import type { ExtendedKeyUsageName, ProfileSnapshot, ProfileType } from '../store/records.ts'
import type { KeyAlgorithmName } from '../x509/algorithms.ts'
import type { KeyUsageBit } from '../x509/extensions.ts'

/** Forms of names that a certificate may hold. */
export type NameType = 'dns' | 'ip' | 'uri' | 'email'

/** What the certificates of one type of profile are. */
interface TypeRow {
  /** Unless the profile says which. */
  readonly usages: readonly ExtendedKeyUsageName[]
  /** What a profile may say instead. */
  readonly allowedUsages: readonly ExtendedKeyUsageName[]
  readonly names: readonly NameType[]
  readonly keyUsages: Readonly<Record<KeyAlgorithmName, readonly KeyUsageBit[]>>
}

const SIGNS = {
  RSA: ['digitalSignature'],
  'P-256': ['digitalSignature'],
  'P-384': ['digitalSignature'],
  'P-521': ['digitalSignature'],
  Ed25519: ['digitalSignature'],
} as const

/** Only RSA keys can encipher another key, for TLS 1.2 without Diffie-Hellman (RFC 8813 §3, RFC 9295 §3). */
const SERVES = { ...SIGNS, RSA: ['digitalSignature', 'keyEncipherment'] } as const

/** Mail is signed and enciphered with one key (RFC 8550 §4.4.2). */
const MAILS = {
  RSA: ['digitalSignature', 'keyEncipherment'],
  'P-256': ['digitalSignature', 'keyAgreement'],
  'P-384': ['digitalSignature', 'keyAgreement'],
  'P-521': ['digitalSignature', 'keyAgreement'],
  Ed25519: ['digitalSignature'],
} as const

const TLS = ['serverAuth', 'clientAuth'] as const

/**
 * The types of profiles (RFC 5280 §4.2.1.3, §4.2.1.12). Code signing stands alone, so that no certificate is good for
 * a server and for programs; S/MIME may also be a client. A workload has both purposes of TLS (X.509-SVID §4.4).
 */
export const PROFILE_TYPES = {
  server: { usages: ['serverAuth'], allowedUsages: TLS, names: ['dns', 'ip', 'uri'], keyUsages: SERVES },
  client: {
    usages: ['clientAuth'],
    allowedUsages: ['clientAuth'],
    names: ['dns', 'ip', 'uri', 'email'],
    keyUsages: SIGNS,
  },
  peer: { usages: TLS, allowedUsages: TLS, names: ['dns', 'ip', 'uri'], keyUsages: SERVES },
  workload: { usages: TLS, allowedUsages: TLS, names: ['uri', 'dns', 'ip'], keyUsages: SIGNS },
  'code-signing': {
    usages: ['codeSigning'],
    allowedUsages: ['codeSigning'],
    names: ['dns', 'uri', 'email'],
    keyUsages: SIGNS,
  },
  smime: {
    usages: ['emailProtection'],
    allowedUsages: ['emailProtection', 'clientAuth'],
    names: ['email'],
    keyUsages: MAILS,
  },
} as const satisfies Record<ProfileType, TypeRow>

export const PROFILE_TYPE_NAMES = Object.keys(PROFILE_TYPES) as [ProfileType, ...ProfileType[]]

/** A snapshot of before there were types is of a server. */
export function typeRow({ type = 'server' }: Pick<ProfileSnapshot, 'type'>): TypeRow {
  return PROFILE_TYPES[type]
}

/** What a leaf's key may do, by the profile's type and the key's. */
export function leafKeyUsages(
  profile: Pick<ProfileSnapshot, 'type'>,
  algorithm: KeyAlgorithmName,
): readonly KeyUsageBit[] {
  return typeRow(profile).keyUsages[algorithm]
}
