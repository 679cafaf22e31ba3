/** The shape of Ed25519 public keys (RFC 8032 §5.1.2, §5.1.3), without arithmetic (KF-B23). */

const FIELD_PRIME = 2n ** 255n - 19n

/**
 * The y coordinates of the points of order 1, 2, 4 and 8. Under such a key one signature holds for many messages,
 * so it proves possession of nothing. -1 and 0 are orders 2 and 4, the long pair is order 8.
 */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  FIELD_PRIME - 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
])

/** @returns why the octets cannot be a public key, or undefined. Off-curve points stay: no signature fits them. */
export function describeEd25519Fault(point: Buffer): string | undefined {
  if (point.length !== 32) return 'an Ed25519 key has 32 octets'
  const littleEndian = Buffer.from(point).reverse()
  littleEndian[0] = (littleEndian[0] ?? 0) & 0x7f
  const y = BigInt(`0x${littleEndian.toString('hex')}`)
  if (y >= FIELD_PRIME) return 'the Ed25519 point is not in its canonical form'
  if (SMALL_ORDER_Y.has(y)) return 'the Ed25519 point has a small order'
  return undefined
}
