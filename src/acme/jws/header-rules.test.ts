import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../endpoint.ts'
import { AcmeError } from '../problem.ts'
import { checkRequestHeader } from './header-rules.ts'
import { parseStrictJson } from './strict-json.ts'

const good = { alg: 'ES256', nonce: 'abc', url: 'https://ca.test/x', kid: 'https://ca.test/acme/default/account/1' }
const check = (header: object) => checkRequestHeader(parseStrictJson(JSON.stringify(header)) as JsonObject)

function refused(header: object): AcmeError {
  try {
    check(header)
  } catch (error) {
    assert.ok(error instanceof AcmeError)
    return error
  }
  return assert.fail(`accepted: ${JSON.stringify(header)}`)
}

test('a header with alg, nonce, url and one of kid and jwk is accepted', () => {
  assert.deepEqual(check(good).signer, { kind: 'kid', kid: good.kid })
  const { kid: _, ...rest } = good
  assert.equal(check({ ...rest, jwk: { kty: 'EC' } }).signer.kind, 'jwk')
  assert.equal(check({ ...good, typ: 'JOSE+JSON', cty: 'json' }).alg, 'ES256')
})

test('KF-B01 none, MACs, RSA variants and inherited names are refused with badSignatureAlgorithm and the list of those that do', () => {
  const others = [
    'none',
    'None',
    'HS256',
    'HS512',
    'RS384',
    'PS256',
    'ES256K',
    'es256',
    'Ed448',
    'RSA-OAEP',
    '',
    '__proto__',
    'constructor',
    'toString',
  ]
  for (const alg of others) {
    const error = refused({ ...good, alg })
    assert.equal(error.type, 'badSignatureAlgorithm', alg)
    assert.deepEqual(error.options.algorithms, ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'])
  }
  for (const alg of [undefined, null, 1, ['ES256'], {}]) assert.equal(refused({ ...good, alg }).type, 'malformed')
})

test('KF-B03 crit, b64, zip, enc, p2c and unknown members are refused before any cryptography', () => {
  for (const name of [
    'crit',
    'b64',
    'zip',
    'enc',
    'p2c',
    'p2s',
    'epk',
    'apu',
    'jku',
    'x5u',
    'x5c',
    'exp',
    '__proto__',
    'constructor',
  ]) {
    const header = JSON.parse(JSON.stringify(good).replace('{', `{${JSON.stringify(name)}:["exp"],`))
    const error = refused(JSON.parse(JSON.stringify(header)))
    assert.equal(error.type, 'malformed', name)
    assert.ok(error.message.includes(name), error.message)
  }
})

test('KF-B08 both or neither of jwk and kid are malformed, and so is a kid that is not text', () => {
  const { kid: _, ...neither } = good
  assert.equal(refused({ ...good, jwk: {} }).type, 'malformed')
  assert.equal(refused({ ...good, jwk: null }).type, 'malformed')
  assert.equal(refused(neither).type, 'malformed')
  assert.equal(refused({ ...neither, kid: 5 }).type, 'malformed')
})

test('a missing nonce is badNonce, so that the client tries again with one; a nonce that is not text is malformed', () => {
  const { nonce: _, ...without } = good
  const error = refused(without)
  assert.equal(error.type, 'badNonce')
  assert.ok(error.message.startsWith('JWS has an invalid anti-replay nonce'))
  for (const nonce of [1, null, ['a'], {}]) assert.equal(refused({ ...good, nonce }).type, 'malformed')
})

test('a missing url is malformed', () => {
  const { url: _, ...without } = good
  assert.equal(refused(without).type, 'malformed')
  assert.equal(refused({ ...good, url: null }).type, 'malformed')
})
