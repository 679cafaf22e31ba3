import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonValue } from '../endpoint.ts'
import { AcmeError } from '../problem.ts'
import { parseFlattened, parseJsonBytes } from './flattened.ts'
import { parseStrictJson } from './strict-json.ts'

const b64 = (text: string): string => Buffer.from(text).toString('base64url')
const good = { protected: b64('{"alg":"ES256"}'), payload: b64('{}'), signature: 'AAAA' }
const read = (value: unknown) => parseFlattened(parseStrictJson(JSON.stringify(value)) as JsonValue, 'The request body')

function refused(value: unknown): string {
  try {
    read(value)
  } catch (error) {
    assert.ok(error instanceof AcmeError)
    assert.equal(error.type, 'malformed')
    assert.equal(error.status, 400)
    return error.message
  }
  return assert.fail(`accepted: ${JSON.stringify(value)}`)
}

test('a flattened JWS is taken apart, and its signing input is the text as it came', () => {
  const jws = read(good)
  assert.equal(jws.header['alg'], 'ES256')
  assert.equal(jws.payload.toString(), '{}')
  assert.equal(jws.signingInput.toString(), `${good.protected}.${good.payload}`)
  assert.equal(read({ ...good, payload: '' }).payload.length, 0)
})

test('KF-B02 every other shape of a JWS is refused, saying what is wanted', () => {
  assert.match(
    refused({ payload: good.payload, signatures: [{ protected: good.protected, signature: 'AAAA' }] }),
    /general JWS form/,
  )
  assert.match(refused({ ...good, signatures: [] }), /general JWS form/)
  assert.match(refused({ ...good, header: { kid: 'x' } }), /unprotected header/)
  assert.match(refused({ ...good, header: {} }), /unprotected header/)
  assert.match(refused({ ...good, signature: '' }), /empty "signature"/)
  assert.match(refused({ ...good, protected: '' }), /empty "protected"/)
  assert.match(refused({ protected: good.protected, signature: 'AAAA' }), /"payload"/)
  assert.match(refused({ ...good, payload: null }), /"payload"/)
  assert.match(refused({ ...good, extra: 1 }), /members beside/)
  assert.match(refused(`${good.protected}.${good.payload}.AAAA`), /not a JSON object/)
  for (const value of [[], [good], null, 1, true, {}]) refused(value)
})

test('CQ-J05 padding or another alphabet in protected, payload or signature is malformed, and the detail says so', () => {
  for (const name of ['protected', 'payload', 'signature'] as const) {
    for (const text of ['AA==', 'AAA=', 'A', 'AB', 'A+/A', 'AA AA', 'AAAA\n', 'é']) {
      assert.match(refused({ ...good, [name]: text }), new RegExp(`"${name}".*base64url without padding`), text)
    }
  }
})

test('a protected header that is not a JSON object, twice-spoken or not UTF-8 is refused', () => {
  assert.match(refused({ ...good, protected: b64('[]') }), /not a JSON object/)
  assert.match(refused({ ...good, protected: b64('{"alg":"ES256","alg":"none"}') }), /stands twice/)
  assert.match(refused({ ...good, protected: Buffer.from([0x22, 0xff, 0x22]).toString('base64url') }), /not UTF-8/)
  assert.throws(() => parseJsonBytes(Buffer.from([0xc0, 0x80]), 'The body'), AcmeError)
})
