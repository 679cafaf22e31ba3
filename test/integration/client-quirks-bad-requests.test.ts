import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  assertRefused,
  headerLines,
  type Journey,
  type RecordingClient,
  startJourney,
} from '../support/acme-journey.ts'
import type { AcmeReply, Forge } from '../support/acme-test-client.ts'
import { generateTestKey } from '../support/test-keys.ts'

/** Every endpoint, by URLs of things that exist and are this client's own. */
let endpoints: Record<string, { url: string; isJwk?: boolean }>
let journey: Journey
let client: RecordingClient

before(async () => {
  journey = await startJourney()
  client = await journey.registered()
  const { newAccount, newOrder, newAuthz, revokeCert, keyChange } = await client.directory()
  const { placed, certificateUrl } = await journey.issue(client, ['crawl.localhost'])
  const [authorization] = placed.authorizations
  endpoints = {
    newAccount: { url: newAccount!, isJwk: true },
    account: { url: client.accountUrl! },
    orders: { url: `${client.accountUrl}/orders` },
    keyChange: { url: keyChange! },
    newOrder: { url: newOrder! },
    order: { url: placed.url },
    finalize: { url: placed.finalize },
    newAuthz: { url: newAuthz! },
    authorization: { url: authorization!.url },
    challenge: { url: authorization!.challenges[0]!.url },
    certificate: { url: certificateUrl },
    revokeCert: { url: revokeCert! },
  }
})
after(() => journey?.close())

const NAMES = [
  'newAccount',
  'account',
  'orders',
  'keyChange',
  'newOrder',
  'order',
  'finalize',
  'newAuthz',
  'authorization',
  'challenge',
  'certificate',
  'revokeCert',
]

interface BadRequest {
  readonly name: string
  readonly status: number
  readonly type: string
  readonly forge: Forge | ((url: string) => Forge)
}

const BAD: readonly BadRequest[] = [
  { name: 'no JWS at all', status: 400, type: 'malformed', forge: { body: 'hello' } },
  { name: 'an empty body', status: 400, type: 'malformed', forge: { body: '' } },
  { name: 'a body over the limit', status: 413, type: 'malformed', forge: { body: 'x'.repeat(60_000) } },
  { name: 'another media type', status: 415, type: 'malformed', forge: { contentType: 'application/json' } },
  { name: 'a used nonce', status: 400, type: 'badNonce', forge: { nonce: 'A'.repeat(48) } },
  { name: 'no nonce', status: 400, type: 'badNonce', forge: { nonce: null } },
  { name: 'a padded payload', status: 400, type: 'malformed', forge: { jws: (jws) => ({ ...jws, payload: 'e30=' }) } },
  {
    name: 'a padded header',
    status: 400,
    type: 'malformed',
    forge: { jws: (jws) => ({ ...jws, protected: `${jws.protected}=` }) },
  },
  {
    name: 'a padded signature',
    status: 400,
    type: 'malformed',
    forge: { jws: (jws) => ({ ...jws, signature: `${jws.signature}==` }) },
  },
  {
    name: 'a bad signature',
    status: 400,
    type: 'malformed',
    forge: { signature: (good) => Buffer.alloc(good.length) },
  },
  { name: 'another algorithm', status: 400, type: 'badSignatureAlgorithm', forge: { alg: 'HS256' } },
  { name: 'another url', status: 403, type: 'unauthorized', forge: (url) => ({ url: `${url}x` }) },
  { name: 'a payload that is a list', status: 400, type: 'malformed', forge: { payloadText: '[]' } },
]

for (const { name, status, type, forge } of BAD) {
  test(`CQ-T11 CQ-N03 CQ-T01 ${name} is ${status} ${type} with type, detail, status and a nonce at every endpoint`, async () => {
    for (const endpoint of NAMES) {
      const { url, isJwk } = endpoints[endpoint]!
      const made = typeof forge === 'function' ? forge(url) : forge
      const reply = await client.post(url, {}, { ...(isJwk && { kid: null }), ...made })
      const detail = assertRefused(reply, status, type)
      // Clients try again by themselves after badNonce; anything else its user may take to the operator (CQ-F10).
      if (type !== 'badNonce') assert.match(detail, /\(reference req_[\w-]{22}\)$/, endpoint)
      assertWire(reply, endpoint)
    }
  })
}

test('CQ-T11 CQ-N03 other methods, and paths that do not exist, are problems with a nonce too', async () => {
  for (const endpoint of NAMES) {
    const { url } = endpoints[endpoint]!
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const reply = await client.request(method, url)
      assertRefused(reply, 405, 'malformed')
      assert.deepEqual(headerLines(reply, 'allow'), ['POST, OPTIONS'], `${method} ${endpoint}`)
      assertWire(reply, endpoint)
    }
    assertRefused(await client.post(`${url}/nowhere`, ''), 404, 'malformed')
  }
})

test('CQ-C07 an unauthenticated GET of order, authorization, challenge or certificate is 405 that says POST-as-GET', async () => {
  for (const endpoint of ['order', 'authorization', 'challenge', 'certificate', 'account', 'orders']) {
    const reply = await client.get(endpoints[endpoint]!.url)
    assert.match(assertRefused(reply, 405, 'malformed'), /POST-as-GET/)
  }
})

describe('CQ-T03 a client that sends neither User-Agent nor Accept, or a foreign Accept', () => {
  for (const [name, headers] of [
    ['neither', {}],
    ['Accept: application/json', { Accept: 'application/json' }],
    ['Accept: text/html;q=0.1', { Accept: 'text/html;q=0.1' }],
    ['an Accept that is none', { Accept: ';;;,' }],
  ] as const) {
    test(`${name}: is answered everywhere as everybody else`, async () => {
      for (const endpoint of ['account', 'orders', 'order', 'authorization', 'challenge', 'certificate']) {
        const { url } = endpoints[endpoint]!
        const reply = await client.post(url, '', { headers })
        assert.equal(reply.status, 200, `${endpoint} ${reply.text}`)
        if (endpoint !== 'certificate') continue
        assert.deepEqual(headerLines(reply, 'content-type'), ['application/pem-certificate-chain'])
        assert.equal(reply.text.match(/-----BEGIN CERTIFICATE-----/g)?.length, 2)
      }
      assert.equal((await client.get(client.directoryUrl, headers)).status, 200)
      const known = await client.newAccount({ onlyReturnExisting: true }, { headers })
      assert.equal(known.status, 200)
      assert.equal((await client.newOrder(['crawl.localhost'], {}, { headers })).status, 201)
    })
  }
})

test('CQ-T05 the media type is compared without parameters and case, at every endpoint', async () => {
  for (const contentType of [
    'application/jose+json; charset=utf-8',
    'Application/JOSE+JSON',
    'application/jose+json;x=1',
  ]) {
    for (const endpoint of ['account', 'orders', 'order', 'authorization', 'challenge', 'certificate'])
      assert.equal((await client.post(endpoints[endpoint]!.url, '', { contentType })).status, 200)
  }
  for (const contentType of ['application/json', 'application/jose', null]) {
    const reply = await client.post(endpoints['account']!.url, '', { contentType })
    assert.match(assertRefused(reply, 415, 'malformed'), /application\/jose\+json/)
  }
})

test('CQ-A04 CQ-D07 after the data was lost, every endpoint says exactly accountDoesNotExist, and registering again works', async (t) => {
  const other = await startJourney()
  t.after(() => other.close())
  const lost = other.client({ key: client.key })
  const rebase = (url: string) => url.replace(journey.chancery.urls.base, other.chancery.urls.base)
  lost.accountUrl = rebase(client.accountUrl!)
  for (const endpoint of NAMES) {
    if (endpoint === 'newAccount') continue
    const payload = endpoint === 'revokeCert' ? { certificate: 'AAAA' } : ''
    for (const kid of [lost.accountUrl, '', client.accountUrl!, new URL(client.accountUrl!).pathname])
      assertRefused(await lost.post(rebase(endpoints[endpoint]!.url), payload, { kid }), 400, 'accountDoesNotExist')
  }
  const accounts = async () => (await other.chancery.store.retention.counts())['accounts']
  assertRefused(await lost.newAccount({ onlyReturnExisting: true }), 400, 'accountDoesNotExist')
  assert.equal(await accounts(), 0)
  assert.equal((await lost.newAccount({})).status, 201)
  assert.equal((await lost.newOrder(['again.localhost'])).status, 201)
  assertRefused(
    await other.client({ key: generateTestKey() }).newAccount({ onlyReturnExisting: true }),
    400,
    'accountDoesNotExist',
  )
})

/** What clients look for by its exact spelling, once and on one line. */
function assertWire(reply: AcmeReply, endpoint: string): void {
  const names = reply.rawHeaders.filter((_, index) => index % 2 === 0)
  assert.equal(names.filter((name) => name === 'Replay-Nonce').length, 1, endpoint)
  assert.equal(names.filter((name) => name.toLowerCase() === 'location').length, 0, endpoint)
  assert.deepEqual(headerLines(reply, 'cache-control'), ['no-store'])
  assert.ok(headerLines(reply, 'link').some((link) => link.endsWith(';rel="index"')))
}
