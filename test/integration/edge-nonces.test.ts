import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { directoryUrls } from '../../src/acme/urls.ts'
import type { AcmeReply, AcmeTestClient, Forge } from '../support/acme-test-client.ts'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer, PUBLIC_URL } from '../support/edge-server.ts'

const ID = 'A'.repeat(22)
const urls = directoryUrls(PUBLIC_URL, 'default')

let server: EdgeServer
let client: AcmeTestClient
before(async () => {
  server = await openEdgeServer()
  client = server.client()
  assert.equal((await client.newAccount()).status, 201)
})
after(() => server.close())

/** A refusal, which always lets the client go on (CQ-N03, KF-B07). */
function refused(reply: AcmeReply, status: number, type: string): string {
  assert.equal(reply.status, status, reply.text)
  assert.equal(reply.json.type, `urn:ietf:params:acme:error:${type}`, reply.text)
  assert.equal(reply.json.status, status)
  assert.match(String(reply.headers['replay-nonce']), /^[A-Za-z0-9_-]{40}$/)
  return reply.json.detail
}

const read = (forge: Forge = {}) => client.post(client.accountUrl!, '', forge)

describe('KF-B06 nonces', () => {
  const BAD = /^JWS has an invalid anti-replay nonce/

  test('CQ-N01 a nonce used again is badNonce in the words that clients look for, with a fresh one that works', async () => {
    const nonce = await client.newNonce()
    assert.equal((await read({ nonce })).status, 200)
    const again = await read({ nonce })
    assert.match(refused(again, 400, 'badNonce'), BAD)
    assert.equal((await read({ nonce: again.headers['replay-nonce'] })).status, 200)
  })

  test('is used up across endpoints and accounts', async () => {
    const nonce = await client.newNonce()
    assert.equal((await read({ nonce })).status, 200)
    refused(await client.post(urls.newOrder, { identifiers: [] }, { nonce }), 400, 'badNonce')
    refused(await server.client().newAccount({}, { nonce }), 400, 'badNonce')
  })

  test('is used up by a request that fails for another reason: bad signature, wrong url, both jwk and kid, unknown account', async () => {
    const failing: Forge[] = [
      { signature: (good) => Buffer.alloc(good.length) },
      { signature: (good) => good.subarray(1) },
      { url: 'https://evil.test/' },
      { jwk: client.key.jwk, kid: client.accountUrl! },
      { kid: urls.account(`acc_${ID}`) },
      { header: { crit: ['x'] } },
      { alg: 'none' },
      { payloadText: '[]' },
    ]
    for (const forge of failing) {
      const nonce = await client.newNonce()
      assert.notEqual((await read({ ...forge, nonce })).status, 200)
      refused(await read({ nonce }), 400, 'badNonce')
    }
  })

  test('KF-B07 a bad signature is told before a bad nonce, and either way there is a fresh nonce', async () => {
    refused(await read({ nonce: 'AAAA', signature: (good) => Buffer.alloc(good.length) }), 400, 'malformed')
  })

  test('missing, unknown and forged ones are badNonce; what is not base64url is malformed; 10 kB is no problem', async () => {
    assert.match(refused(await read({ nonce: null }), 400, 'badNonce'), BAD)
    for (const nonce of ['a', 'AAAA', 'A'.repeat(40), 'A'.repeat(10_000)])
      assert.match(refused(await read({ nonce }), 400, 'badNonce'), BAD)
    for (const nonce of ['', 'a=', 'a b', 'a+/b', 'ü', 5, {}, ['a']]) refused(await read({ nonce }), 400, 'malformed')
  })

  test('CQ-N02 every answer carries one, also to GET, and twenty requests at once with one of them are let in once', async () => {
    const directory = await client.get(urls.directory)
    assert.equal((await read({ nonce: directory.headers['replay-nonce'] })).status, 200)
    const nonce = await client.newNonce()
    const bodies = await Promise.all(Array.from({ length: 20 }, () => client.sign(client.accountUrl!, '', { nonce })))
    const replies = await Promise.all(bodies.map((body) => read({ body })))
    assert.equal(replies.filter(({ status }) => status === 200).length, 1)
    for (const reply of replies) if (reply.status !== 200) refused(reply, 400, 'badNonce')
  })

  test('CQ-N02 a nonce given out before a restart is good after it, at any replica, and once only', async () => {
    const nonce = await client.newNonce()
    const replica = server.makeListener()
    const { port } = await replica.listen('127.0.0.1', 0)
    const there = server.client({ key: client.key, connectTo: { host: '127.0.0.1', port } })
    there.accountUrl = client.accountUrl
    assert.equal((await there.postAsGet(client.accountUrl!, { nonce })).status, 200)
    refused(await read({ nonce }), 400, 'badNonce')
    await replica.close()
  })

  test('CQ-N07 after two hours one is badNonce, and the next try works', async () => {
    const nonce = await client.newNonce()
    await server.clock.advance(7_200_000)
    const reply = await read({ nonce })
    assert.match(refused(reply, 400, 'badNonce'), BAD)
    assert.equal((await read({ nonce: reply.headers['replay-nonce'] })).status, 200)
  })

  test('CQ-N05 the same signed body sent again after a lost answer is badNonce, and signed anew it gets the first result', async () => {
    const own = server.client()
    const body = await own.sign(urls.newAccount, { contact: ['mailto:a@b.test'] })
    const first = await own.post(urls.newAccount, '', { body })
    refused(await own.post(urls.newAccount, '', { body }), 400, 'badNonce')
    const third = await own.newAccount()
    assert.equal(third.status, 200)
    assert.equal(third.headers.location, first.headers.location)
  })
})

test('KF-G12 in chaos mode a client that tries again gets through', async () => {
  const chaotic = await openEdgeServer({ chaosBadNoncePercent: 50 })
  try {
    const own = chaotic.client()
    let reply = await own.newAccount()
    for (let tries = 0; reply.status === 400 && tries < 60; tries++) {
      refused(reply, 400, 'badNonce')
      reply = await own.newAccount()
    }
    assert.equal(reply.status, 201)
  } finally {
    await chaotic.close()
  }
})
