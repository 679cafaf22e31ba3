/**
 * Whether a public point lies on its curve (SEC 1 §3.2.2.1): y² = x³ - 3x + b (mod p). The NIST curves have
 * cofactor 1, so that a point with coordinates on the curve is a valid public key. Public data, so constant time
 * does not matter; a few microseconds, a tenth of what importing the key costs (KF-B23).
 */
import { KEY_ALGORITHMS, type KeyAlgorithmName } from './algorithms.ts'

export type EcCurveName = Extract<KeyAlgorithmName, `P-${string}`>

/** Parameters of FIPS 186-4 appendix D.1.2; the coefficient a is -3 for all of them. */
const CURVES: Readonly<Record<EcCurveName, { readonly p: bigint; readonly b: bigint }>> = {
  'P-256': {
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  'P-384': {
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
  'P-521': {
    p: 2n ** 521n - 1n,
    b: 0x0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  },
}

/** @returns why the octets are no uncompressed point on the curve, or undefined when they are */
export function describePointFault(curve: EcCurveName, point: Buffer): string | undefined {
  if (point.length === 1 && point[0] === 0) return 'the EC point is the point at infinity'
  if (point[0] === 2 || point[0] === 3) return 'the EC point is compressed; send it uncompressed'
  if (point[0] !== 4 || point.length !== KEY_ALGORITHMS[curve].pointBytes) return 'the EC point is not of its curve'
  const half = (point.length + 1) / 2
  const x = BigInt(`0x${point.toString('hex', 1, half)}`)
  const y = BigInt(`0x${point.toString('hex', half)}`)
  const { p, b } = CURVES[curve]
  if (x >= p || y >= p) return 'a coordinate of the EC point is out of range'
  return (y * y - ((x * x - 3n) * x + b)) % p === 0n ? undefined : 'the EC point is not on its curve'
}
