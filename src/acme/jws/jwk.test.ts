import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { generateTestKey } from '../../../test/support/test-keys.ts'
import type { JsonValue } from '../endpoint.ts'
import { AcmeError } from '../problem.ts'
import { readJwk, thumbprintOf } from './jwk.ts'

const OVERSIZED = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })

function refused(jwk: unknown): string {
  try {
    readJwk(jwk as JsonValue)
  } catch (error) {
    assert.ok(error instanceof AcmeError)
    assert.equal(error.type, 'badPublicKey')
    return error.message
  }
  return assert.fail(`accepted: ${JSON.stringify(jwk)}`)
}

/** A modulus of so many bits; whether it has factors is not looked at here. */
function modulus(bits: number, last = 0x01): string {
  const bytes = Buffer.alloc(Math.ceil(bits / 8))
  bytes[0] = 1 << ((bits - 1) % 8)
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) | last
  return bytes.toString('base64url')
}

test('the thumbprint is that of the example in RFC 7638 §3.1', () => {
  const jwk = {
    kty: 'RSA',
    n:
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs' +
      'tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI' +
      'SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
    e: 'AQAB',
    alg: 'RS256',
    kid: '2011-04-29',
  }
  const read = readJwk(jwk)
  assert.equal(read.thumbprint, 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
  assert.deepEqual(Object.keys(read.jwk), ['kty', 'n', 'e'])
  assert.equal(read.bits, 2048)
})

describe('CQ-J01 every kind of account key in use', () => {
  for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'] as const) {
    test(`is read for ${algorithm}, with the same thumbprint and SPKI as other code finds`, () => {
      const key = generateTestKey(algorithm)
      const read = readJwk(key.jwk)
      assert.equal(read.algorithm, algorithm)
      assert.equal(read.thumbprint, key.thumbprint)
      assert.equal(thumbprintOf(read.jwk), key.thumbprint)
      assert.deepEqual(read.spkiDer, key.spkiDer)
    })
  }
})

test('CQ-J04 a coordinate without its leading zero octets is refused by name; the thumbprint has no second form', () => {
  const { jwk } = generateTestKey('ES256')
  for (const name of ['x', 'y'] as const) {
    const bytes = Buffer.from(jwk[name]!, 'base64url')
    assert.match(
      refused({ ...jwk, [name]: bytes.subarray(1).toString('base64url') }),
      new RegExp(`"${name}" has 31 octets.*leading zero`),
    )
    refused({ ...jwk, [name]: Buffer.concat([Buffer.from([0]), bytes]).toString('base64url') })
    assert.match(refused({ ...jwk, [name]: `${jwk[name]}=` }), /base64url without padding/)
  }
})

test('KF-B23 points off the curve, at infinity and of small order are refused', () => {
  const { jwk } = generateTestKey('ES256')
  const y = Buffer.from(jwk['y']!, 'base64url')
  y[31]! ^= 1
  assert.match(refused({ ...jwk, y: y.toString('base64url') }), /not a point on its curve/)
  const zero = Buffer.alloc(32).toString('base64url')
  refused({ ...jwk, x: zero, y: zero })
  refused({ ...jwk, x: Buffer.alloc(32, 0xff).toString('base64url') })
  refused({ ...jwk, crv: 'P-384' })
  refused({ ...jwk, crv: 'secp256k1' })
  refused({ kty: 'OKP', crv: 'Ed25519', x: zero })
  refused({ kty: 'OKP', crv: 'Ed448', x: Buffer.alloc(57).toString('base64url') })
  refused({ kty: 'OKP', crv: 'X25519', x: zero })
})

test('KF-B23 RSA keys of wrong size, exponent or form are refused before any arithmetic', () => {
  const e = 'AQAB'
  assert.match(refused({ kty: 'RSA', n: OVERSIZED.n, e }), /has 1024/)
  for (const bits of [1, 512, 2047, 4097, 16_384])
    assert.match(refused({ kty: 'RSA', n: modulus(bits), e }), new RegExp(`has ${bits}`))
  const n = modulus(2048)
  for (const exponent of [1n, 3n, 17n, 65_536n, 65_539n, 2n ** 31n + 1n]) {
    const hex = exponent.toString(16)
    const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
    assert.match(refused({ kty: 'RSA', n, e: bytes.toString('base64url') }), /exponent/)
  }
  assert.match(refused({ kty: 'RSA', n, e: modulus(2047) }), /exponent/)
  assert.match(refused({ kty: 'RSA', n: modulus(2048, 0), e }), /even/)
  const padded = Buffer.concat([Buffer.from([0]), Buffer.from(n, 'base64url')]).toString('base64url')
  assert.match(refused({ kty: 'RSA', n: padded, e }), /leading zero/)
  assert.match(refused({ kty: 'RSA', n, e: 'AAEAAQ' }), /leading zero/)
  assert.match(refused({ kty: 'RSA', n: '', e }), /empty/)
})

test('CQ-J07 a revocation may be signed by an RSA key larger than account keys may be', () => {
  const jwk = { kty: 'RSA', n: modulus(8192), e: 'AQAB' }
  refused(jwk)
  assert.equal(readJwk(jwk, 'certificate').bits, 8192)
  assert.throws(() => readJwk({ ...jwk, n: modulus(8200) }, 'certificate'), AcmeError)
})

test('a JWK with private members is refused, and is called compromised', () => {
  const key = generateTestKey('ES256')
  const privateJwk = key.privateKey.export({ format: 'jwk' })
  assert.match(refused(privateJwk), /private member "d".*replace/)
  assert.match(refused({ ...key.jwk, k: 'AAAA' }), /private member "k"/)
  assert.match(refused({ kty: 'oct', k: 'AAAA' }), /private/)
})

test('what is not a JWK at all is badPublicKey, never a crash', () => {
  for (const value of [
    null,
    undefined,
    1,
    'x',
    [],
    {},
    { kty: 5 },
    { kty: 'EC' },
    { kty: 'EC', crv: 'P-256', x: 1, y: 2 },
    { kty: 'RSA', n: null, e: [] },
  ]) {
    refused(value)
  }
})
