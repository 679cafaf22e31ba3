/**
 * Public key and signature algorithms: one row a fact, with its encoding (docs: RFC 5280, 5758, 8410, 4055).
 * `algorithmIdentifierHex` is the whole DER AlgorithmIdentifier, copied as it stands into what is signed.
 */
export const SIGNATURE_ALGORITHMS = {
  'ecdsa-with-SHA256': {
    oid: '1.2.840.10045.4.3.2',
    algorithmIdentifierHex: '300a06082a8648ce3d040302',
    hash: 'sha256',
  }, // RFC 5758 §3.2
  'ecdsa-with-SHA384': {
    oid: '1.2.840.10045.4.3.3',
    algorithmIdentifierHex: '300a06082a8648ce3d040303',
    hash: 'sha384',
  },
  'ecdsa-with-SHA512': {
    oid: '1.2.840.10045.4.3.4',
    algorithmIdentifierHex: '300a06082a8648ce3d040304',
    hash: 'sha512',
  },
  sha256WithRSAEncryption: {
    oid: '1.2.840.113549.1.1.11',
    algorithmIdentifierHex: '300d06092a864886f70d01010b0500',
    hash: 'sha256',
  }, // RFC 4055 §5
  sha384WithRSAEncryption: {
    oid: '1.2.840.113549.1.1.12',
    algorithmIdentifierHex: '300d06092a864886f70d01010c0500',
    hash: 'sha384',
  },
  sha512WithRSAEncryption: {
    oid: '1.2.840.113549.1.1.13',
    algorithmIdentifierHex: '300d06092a864886f70d01010d0500',
    hash: 'sha512',
  },
  Ed25519: { oid: '1.3.101.112', algorithmIdentifierHex: '300506032b6570', hash: undefined }, // RFC 8410 §3
} as const satisfies Record<string, { oid: string; algorithmIdentifierHex: string; hash: string | undefined }>

export type SignatureAlgorithmName = keyof typeof SIGNATURE_ALGORITHMS

/** Key kinds that may be certified or may issue; the AlgorithmIdentifier of the SPKI is fixed (BR 7.1.3.1). */
export const KEY_ALGORITHMS = {
  'P-256': { spkiAlgorithmHex: '301306072a8648ce3d020106082a8648ce3d030107', kty: 'EC', pointBytes: 65 },
  'P-384': { spkiAlgorithmHex: '301006072a8648ce3d020106052b81040022', kty: 'EC', pointBytes: 97 },
  'P-521': { spkiAlgorithmHex: '301006072a8648ce3d020106052b81040023', kty: 'EC', pointBytes: 133 },
  RSA: { spkiAlgorithmHex: '300d06092a864886f70d0101010500', kty: 'RSA', pointBytes: undefined },
  Ed25519: { spkiAlgorithmHex: '300506032b6570', kty: 'OKP', pointBytes: 32 },
} as const

export type KeyAlgorithmName = keyof typeof KEY_ALGORITHMS
