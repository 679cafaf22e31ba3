import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { der } from '../../test/support/test-csr.ts'
import { KEY_ALGORITHMS, type KeyAlgorithmName } from './algorithms.ts'
import { DerError } from './asn1/der-error.ts'
import { integer } from './asn1/writer.ts'
import { parseSubjectPublicKey } from './spki.ts'

const spki = (algorithm: KeyAlgorithmName | string, content: Uint8Array): Buffer => {
  const hex = algorithm in KEY_ALGORITHMS ? KEY_ALGORITHMS[algorithm as KeyAlgorithmName].spkiAlgorithmHex : algorithm
  return der(0x30, Buffer.from(hex, 'hex'), der(0x03, Buffer.of(0), content))
}
const rsa = (modulus: bigint, exponent: bigint): Buffer => spki('RSA', der(0x30, integer(modulus), integer(exponent)))
const exported = (key: { export(options: { type: 'spki'; format: 'der' }): Buffer }): Buffer =>
  key.export({ type: 'spki', format: 'der' })
const ecKey = (namedCurve: string): Buffer => exported(generateKeyPairSync('ec', { namedCurve }).publicKey)

for (const curve of ['P-256', 'P-384', 'P-521'] as const) {
  test(`keys on ${curve} are accepted, and a point moved off the curve is not (KF-B23)`, () => {
    for (let round = 0; round < 20; round++) {
      const good = ecKey(curve)
      const key = parseSubjectPublicKey(good)
      assert.equal(key.algorithm, curve)
      assert.equal(key.bits, Number(curve.slice(2)))
      assert.ok(key.key.equals(createPublicKey({ key: good, format: 'der', type: 'spki' })))
      const bad = Buffer.from(good)
      bad[bad.length - 1] = (bad[bad.length - 1] ?? 0) ^ 1
      assert.throws(() => parseSubjectPublicKey(bad), /not on its curve/)
    }
  })
}

test('key identifier and digest are those of RFC 5280 §4.2.1.2 (1) and of the whole structure', () => {
  const bytes = ecKey('P-256')
  const key = parseSubjectPublicKey(bytes)
  assert.equal(key.sha256, createHash('sha256').update(bytes).digest('hex'))
  assert.equal(key.keyId.toString('hex'), createHash('sha1').update(bytes.subarray(-65)).digest('hex'))
  assert.equal(key.der.toString('hex'), bytes.toString('hex'))
})

test('RSA and Ed25519 keys are accepted with their size', () => {
  const numbers = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const key = parseSubjectPublicKey(exported(numbers))
  assert.equal(key.algorithm, 'RSA')
  assert.equal(key.bits, 2048)
  assert.equal(key.rsa?.exponent, 65_537n)
  assert.equal(key.rsa?.modulus.toString(2).length, 2048)
  const edwards = parseSubjectPublicKey(exported(generateKeyPairSync('ed25519').publicKey))
  assert.equal(edwards.algorithm, 'Ed25519')
  assert.equal(edwards.rsa, undefined)
  assert.equal(edwards.key.asymmetricKeyType, 'ed25519')
})

test('KF-B23 the length of an RSA modulus is counted in bits, also when it is no multiple of 8', () => {
  assert.equal(parseSubjectPublicKey(rsa(2n ** 2047n + 1n, 65_537n)).bits, 2048)
  assert.equal(parseSubjectPublicKey(rsa(2n ** 2046n + 1n, 65_537n)).bits, 2047)
  assert.equal(parseSubjectPublicKey(rsa(2n ** 2040n + 1n, 65_537n)).bits, 2041)
  assert.equal(parseSubjectPublicKey(rsa(2n ** 8191n + 1n, 3n)).bits, 8192)
})

const field = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
const littleEndian = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()

function powerModulo(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % modulus) {
    if (rest & 1n) result = (result * square) % modulus
  }
  return result
}

const REFUSED: Readonly<Record<string, () => Buffer>> = {
  'RSA with e = 1': () => rsa(2n ** 2047n + 1n, 1n),
  'RSA with e = 2': () => rsa(2n ** 2047n + 1n, 2n),
  'RSA with e = 65536': () => rsa(2n ** 2047n + 1n, 65_536n),
  'RSA with e = 0': () => rsa(2n ** 2047n + 1n, 0n),
  'RSA with e = 2^2047 + 1': () => rsa(2n ** 2047n + 1n, 2n ** 2047n + 1n),
  'RSA with e of 33 bits': () => rsa(2n ** 2047n + 1n, 2n ** 32n + 1n),
  'RSA with an even modulus': () => rsa(2n ** 2047n, 65_537n),
  'RSA with a modulus of 8193 bits': () => rsa(2n ** 8192n + 1n, 65_537n),
  'RSA with a modulus of 16384 bits': () => rsa(2n ** 16383n + 1n, 65_537n),
  'RSA with a modulus of 256 bits': () => rsa(2n ** 255n + 1n, 65_537n),
  'RSA with modulus 0': () => rsa(0n, 65_537n),
  'RSA with a negative modulus': () => spki('RSA', der(0x30, der(0x02, Buffer.alloc(256, 0x81)), integer(65_537))),
  'RSA with a padded modulus': () =>
    spki('RSA', der(0x30, der(0x02, Buffer.alloc(257, 0x01).fill(0, 0, 1)), integer(65_537))),
  'RSA with a third number': () => spki('RSA', der(0x30, integer(2n ** 2047n + 1n), integer(65_537), integer(3))),
  'RSA without parameters': () =>
    spki('300b06092a864886f70d010101', der(0x30, integer(2n ** 2047n + 1n), integer(65_537))),
  'RSASSA-PSS': () => exported(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey),
  'EC: the point at infinity': () => spki('P-256', Buffer.of(0)),
  'EC: no point at all': () => spki('P-256', Buffer.alloc(0)),
  'EC: a compressed point': () => spki('P-256', Buffer.concat([Buffer.of(2), ecKey('P-256').subarray(-64, -32)])),
  'EC: a hybrid point': () => {
    const point = Buffer.from(ecKey('P-256').subarray(-65))
    point[0] = 6 + ((point[64] ?? 0) & 1)
    return spki('P-256', point)
  },
  'EC: coordinates 0, 0': () => spki('P-256', Buffer.alloc(65).fill(4, 0, 1)),
  'EC: a coordinate not reduced, of a point that is on the curve otherwise': () => {
    // x = 0 is on the curve with y = √b; p ≡ 3 (mod 4). The field prime in place of 0 is the same number.
    const y = powerModulo(0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn, (field + 1n) / 4n, field)
    const bytes = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
    assert.ok(parseSubjectPublicKey(spki('P-256', Buffer.concat([Buffer.of(4), bytes(0n), bytes(y)]))))
    return spki('P-256', Buffer.concat([Buffer.of(4), bytes(field), bytes(y)]))
  },
  'EC: a point of another curve': () => spki('P-256', ecKey('P-384').subarray(-97)),
  'EC: an octet too many': () => spki('P-256', Buffer.concat([ecKey('P-256').subarray(-65), Buffer.of(0)])),
  'EC: curve P-224': () => ecKey('secp224r1'),
  'EC: curve secp256k1': () => ecKey('secp256k1'),
  'EC: explicit parameters': () =>
    exported(generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).publicKey),
  'EC without parameters': () => spki('300906072a8648ce3d0201', ecKey('P-256').subarray(-65)),
  'Ed25519 of 31 octets': () => spki('Ed25519', Buffer.alloc(31, 1)),
  'Ed25519 of order 1': () => spki('Ed25519', littleEndian(1n)),
  'Ed25519 of order 2': () => spki('Ed25519', littleEndian(2n ** 255n - 20n)),
  'Ed25519 of order 4': () => spki('Ed25519', littleEndian(0n)),
  'Ed25519 of order 8': () =>
    spki('Ed25519', Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex')),
  'Ed25519 of order 8, the other sign': () =>
    spki('Ed25519', Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85', 'hex')),
  'Ed25519 not reduced': () => spki('Ed25519', littleEndian(2n ** 255n - 19n)),
  'Ed25519 with NULL parameters': () => spki('300706032b65700500', Buffer.alloc(32, 9)),
  Ed448: () => exported(generateKeyPairSync('ed448').publicKey),
  X25519: () => exported(generateKeyPairSync('x25519').publicKey),
  'unused bits in the BIT STRING': () =>
    der(
      0x30,
      Buffer.from(KEY_ALGORITHMS['Ed25519'].spkiAlgorithmHex, 'hex'),
      der(0x03, Buffer.of(1), Buffer.alloc(32, 2)),
    ),
  'something behind the BIT STRING': () => {
    const point = der(0x03, Buffer.of(0), ecKey('P-256').subarray(-65))
    return der(0x30, Buffer.from(KEY_ALGORITHMS['P-256'].spkiAlgorithmHex, 'hex'), point, der(0x05))
  },
  'trailing bytes': () => Buffer.concat([ecKey('P-256'), Buffer.of(0)]),
  'five thousand octets': () => spki('RSA', Buffer.alloc(5000)),
}

for (const [why, make] of Object.entries(REFUSED)) {
  test(`KF-B23 refused by its shape: ${why}`, () => assert.throws(() => parseSubjectPublicKey(make()), DerError))
}

test('the points refused as of small order are just those whose eighth multiple is the identity', () => {
  const p = 2n ** 255n - 19n
  const mod = (a: bigint): bigint => ((a % p) + p) % p
  const power = (base: bigint, exponent: bigint): bigint => powerModulo(mod(base), exponent, p)
  const d = mod(-121_665n * power(121_666n, p - 2n))
  // y' of a doubled point depends on y alone: y' = (y² + x²) / (2 + x² - y²) with x² = (y² - 1) / (d y² + 1).
  const doubled = (y: bigint): bigint => {
    const y2 = mod(y * y)
    const x2 = mod((y2 - 1n) * power(d * y2 + 1n, p - 2n))
    return mod((y2 + x2) * power(2n + x2 - y2, p - 2n))
  }
  for (const hex of [
    '7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7',
    '05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826',
  ]) {
    assert.equal(doubled(BigInt(`0x${hex}`)), 0n, 'of order 8: its double has order 4')
  }
  assert.equal(doubled(0n), p - 1n)
  assert.equal(doubled(p - 1n), 1n)
})
