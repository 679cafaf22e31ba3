import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { directoryUrls } from '../../src/acme/urls.ts'
import type { AcmeReply, AcmeTestClient } from '../support/acme-test-client.ts'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer, PUBLIC_URL } from '../support/edge-server.ts'
import { flattenedJws, generateTestKey } from '../support/test-keys.ts'

const FORMER_URL = 'https://old-ca.test'
const urls = directoryUrls(PUBLIC_URL, 'default')

let server: EdgeServer
before(async () => {
  server = await openEdgeServer({ formerPublicUrls: [FORMER_URL] })
})
after(() => server.close())

function refused(reply: AcmeReply, status: number, type: string): string {
  assert.equal(reply.status, status, reply.text)
  assert.equal(reply.json.type, `urn:ietf:params:acme:error:${type}`, reply.text)
  assert.ok(reply.headers['replay-nonce'])
  return reply.json.detail
}

async function registered(): Promise<AcmeTestClient> {
  const client = server.client()
  assert.equal((await client.newAccount()).status, 201)
  return client
}

const change = (client: AcmeTestClient, inner: unknown) => client.post(urls.keyChange, inner)

test('RFC 8555 §7.3.5 the new key takes the place of the old: same URL, orders stay, the old key is refused', async () => {
  for (const algorithm of ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'] as const) {
    const client = await registered()
    const old = client.key
    const order = await client.newOrder([`${algorithm.toLowerCase()}.test`])
    const reply = await client.keyChange(generateTestKey(algorithm))
    assert.equal(reply.status, 200, reply.text)
    assert.equal(reply.json.status, 'valid')
    const read = await client.postAsGet(order.headers.location!)
    assert.equal(read.status, 200)
    assert.equal(read.json.status, 'pending')
    refused(
      await client.postAsGet(client.accountUrl!, { key: old }),
      400,
      algorithm === 'ES256' ? 'malformed' : 'badSignatureAlgorithm',
    )
    const again = await client.newAccount()
    assert.equal(again.status, 200)
    const stranger = server.client({ key: old })
    assert.equal((await stranger.newAccount()).status, 201)
  }
})

describe('KF-B11 a bad inner JWS is refused, and the key stays', () => {
  let client: AcmeTestClient
  before(async () => {
    client = await registered()
  })
  const newKey = generateTestKey()

  test('CQ-N06 with a nonce, also an empty one: malformed, and the detail says so', async () => {
    for (const nonce of ['', await client.newNonce()]) {
      assert.match(
        refused(await change(client, await client.keyChangeInner(newKey, { header: { nonce } })), 400, 'malformed'),
        /"nonce"; leave it out/,
      )
    }
  })

  test('with kid, without jwk, or with a header member that has no meaning', async () => {
    assert.match(
      refused(
        await change(client, await client.keyChangeInner(newKey, { header: { kid: client.accountUrl } })),
        400,
        'malformed',
      ),
      /"kid"/,
    )
    refused(
      await change(client, flattenedJws({ alg: 'ES256', url: urls.keyChange }, {}, { key: newKey })),
      400,
      'badPublicKey',
    )
    refused(await change(client, await client.keyChangeInner(newKey, { header: { crit: ['x'] } })), 400, 'malformed')
  })

  test('signed by another key, or by none', async () => {
    refused(await change(client, await client.keyChangeInner(newKey, { signWith: client.key })), 400, 'malformed')
    refused(await change(client, { ...(await client.keyChangeInner(newKey)), signature: '' }), 400, 'malformed')
    refused(
      await change(client, await client.keyChangeInner(newKey, { header: { alg: 'none' } })),
      400,
      'badSignatureAlgorithm',
    )
    refused(
      await change(client, await client.keyChangeInner(newKey, { header: { alg: 'HS256' } })),
      400,
      'badSignatureAlgorithm',
    )
    refused(
      await change(client, await client.keyChangeInner(newKey, { header: { alg: 'ES384' } })),
      400,
      'badPublicKey',
    )
  })

  test('for another url', async () => {
    for (const url of [urls.newAccount, `${urls.keyChange}/`, '', 5]) {
      refused(await change(client, await client.keyChangeInner(newKey, { header: { url } })), 400, 'malformed')
    }
  })

  test('for another account', async () => {
    const oldKey = client.key.jwk
    for (const account of [(await registered()).accountUrl, `${client.accountUrl}/`, '', null, 5]) {
      refused(
        await change(client, await client.keyChangeInner(newKey, { payload: { account, oldKey } })),
        400,
        'malformed',
      )
    }
  })

  test('CQ-A08 without oldKey, or with a wrong one: malformed that names it', async () => {
    const account = client.accountUrl
    assert.match(
      refused(await change(client, await client.keyChangeInner(newKey, { payload: { account } })), 400, 'malformed'),
      /"oldKey"/,
    )
    for (const oldKey of [newKey.jwk, generateTestKey('RS256').jwk, {}, null, 'x']) {
      assert.match(
        refused(
          await change(client, await client.keyChangeInner(newKey, { payload: { account, oldKey } })),
          400,
          'malformed',
        ),
        /"oldKey"/,
      )
    }
  })

  test('of a wrong shape', async () => {
    for (const payload of [
      '',
      {},
      { protected: 'e30' },
      { protected: 'e30', payload: '', signature: 'AAAA', header: {} },
    ]) {
      refused(await change(client, payload), 400, 'malformed')
    }
    refused(
      await change(client, flattenedJws({ alg: 'ES256', jwk: newKey.jwk, url: urls.keyChange }, '[]', { key: newKey })),
      400,
      'malformed',
    )
  })

  test('with a weak new key', async () => {
    const weak = generateTestKey('RS256', { rsaBits: 1024 })
    refused(await change(client, await client.keyChangeInner(weak)), 400, 'badPublicKey')
  })

  test('and after all that the account works with its key', async () => {
    assert.equal((await client.postAsGet(client.accountUrl!)).status, 200)
  })
})

describe('CQ-A08 KF-B11 a new key that is taken is 409 with the Location of its account', () => {
  test('another account', async () => {
    const first = await registered()
    const second = await registered()
    const reply = await change(second, await second.keyChangeInner(first.key))
    refused(reply, 409, 'malformed')
    assert.equal(reply.headers.location, first.accountUrl)
    assert.equal((await second.postAsGet(second.accountUrl!)).status, 200)
  })

  test('its own, as it is now', async () => {
    const client = await registered()
    const reply = await change(client, await client.keyChangeInner(client.key))
    refused(reply, 409, 'malformed')
    assert.equal(reply.headers.location, client.accountUrl)
  })
})

test('KF-B11 of twenty accounts that change to one key at once, one wins', async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => registered()))
  const newKey = generateTestKey()
  const bodies = await Promise.all(
    clients.map(async (client) => client.sign(urls.keyChange, await client.keyChangeInner(newKey))),
  )
  const replies = await Promise.all(clients.map((client, i) => client.post(urls.keyChange, '', { body: bodies[i]! })))
  assert.equal(replies.filter(({ status }) => status === 200).length, 1)
  assert.equal(replies.filter(({ status }) => status === 409).length, 19)
})

test('KF-B11 of twenty changes of one account at once, one wins, and the account has that key', async () => {
  const client = await registered()
  const keys = Array.from({ length: 20 }, () => generateTestKey())
  const bodies = await Promise.all(
    keys.map(async (key) => client.sign(urls.keyChange, await client.keyChangeInner(key))),
  )
  const replies = await Promise.all(bodies.map((body) => client.post(urls.keyChange, '', { body })))
  const winners = keys.filter((_, i) => replies[i]!.status === 200)
  assert.equal(winners.length, 1)
  assert.equal((await client.postAsGet(client.accountUrl!, { key: winners[0]! })).status, 200)
})

test('CQ-D06 a client that stored its account URL under a former base changes its key', async () => {
  const client = await registered()
  client.accountUrl = client.accountUrl!.replace(PUBLIC_URL, FORMER_URL)
  const reply = await client.keyChange(generateTestKey())
  assert.equal(reply.status, 200, reply.text)
  assert.equal((await client.postAsGet(urls.account(client.accountUrl.split('/').at(-1)!))).status, 200)
})

test('KF-A22 the audit trail has the thumbprints of both keys', async () => {
  const client = await registered()
  const old = client.key.thumbprint
  await client.keyChange(generateTestKey())
  const events = await server.store.audit.findByReference(client.accountUrl!.split('/').at(-1)!, 10)
  const changed = events.find(({ event }) => event === 'account.key-changed')
  assert.deepEqual(changed?.data, { oldThumbprint: old, newThumbprint: client.key.thumbprint })
})
