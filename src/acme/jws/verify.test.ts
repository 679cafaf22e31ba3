import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import { describe, test } from 'node:test'
import { flattenedJws, generateTestKey } from '../../../test/support/test-keys.ts'
import { AcmeError } from '../problem.ts'
import { parseFlattened } from './flattened.ts'
import { verifySignature } from './verify.ts'

const read = (jws: object) => parseFlattened(JSON.parse(JSON.stringify(jws)), 'The request body')
const isMalformed = (detail: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AcmeError)
  assert.equal(error.type, 'malformed')
  assert.match(error.message, detail)
  return true
}

describe('CQ-J01 signatures of every supported algorithm', () => {
  for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'] as const) {
    test(`${algorithm} verifies, and not after one bit was flipped`, () => {
      const key = generateTestKey(algorithm)
      const jws = flattenedJws({ alg: algorithm }, { a: 1 }, { key })
      verifySignature(read(jws), algorithm, key.publicKey)
      const flipped = Buffer.from(jws.signature, 'base64url')
      flipped[10]! ^= 1
      assert.throws(
        () => verifySignature(read({ ...jws, signature: flipped.toString('base64url') }), algorithm, key.publicKey),
        isMalformed(/does not verify/),
      )
      const other = flattenedJws({ alg: algorithm }, { a: 2 }, { key })
      assert.throws(
        () => verifySignature(read({ ...jws, payload: other.payload }), algorithm, key.publicKey),
        isMalformed(/does not verify/),
      )
    })
  }
})

test('KF-B22 CQ-J02 an ECDSA signature of 0, 62, 63, 65 octets or in DER is cleanly malformed', () => {
  const key = generateTestKey('ES256')
  const jws = flattenedJws({ alg: 'ES256' }, {}, { key })
  const good = Buffer.from(jws.signature, 'base64url')
  const der = sign('sha256', Buffer.from(`${jws.protected}.${jws.payload}`), key.privateKey)
  for (const signature of [
    good.subarray(1),
    good.subarray(2),
    Buffer.concat([good, Buffer.alloc(1)]),
    Buffer.alloc(1),
    der,
  ]) {
    assert.throws(
      () => verifySignature(read({ ...jws, signature: signature.toString('base64url') }), 'ES256', key.publicKey),
      isMalformed(/64 octets/),
    )
  }
  for (const fill of [0x00, 0xff]) {
    const extreme = Buffer.alloc(64, fill).toString('base64url')
    assert.throws(
      () => verifySignature(read({ ...jws, signature: extreme }), 'ES256', key.publicKey),
      isMalformed(/does not verify/),
    )
  }
})

test('an RSA signature that is not as long as the modulus is malformed', () => {
  const key = generateTestKey('RS256')
  const jws = flattenedJws({ alg: 'RS256' }, {}, { key })
  const short = Buffer.from(jws.signature, 'base64url').subarray(1).toString('base64url')
  assert.throws(
    () => verifySignature(read({ ...jws, signature: short }), 'RS256', key.publicKey),
    isMalformed(/256 octets/),
  )
})
