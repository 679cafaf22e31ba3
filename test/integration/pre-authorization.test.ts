import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertRefused, challengeOf, type Journey, startJourney } from '../support/acme-journey.ts'
import { openEdgeServer } from '../support/edge-server.ts'

let journey: Journey
before(async () => {
  journey = await startJourney()
})
after(() => journey?.close())

test('RFC 8555 §7.4.1 a name that was authorized before makes an order that starts ready', async () => {
  const client = await journey.registered()
  const { newAuthz = '' } = await client.directory()
  const authorizations = []
  for (const identifier of [
    { type: 'dns', value: 'EARLY.localhost' },
    { type: 'ip', value: '127.0.0.1' },
  ]) {
    const reply = await client.post(newAuthz, { identifier })
    assert.equal(reply.status, 201, reply.text)
    assert.equal(reply.json.status, 'pending')
    const authorization = { ...reply.json, url: reply.headers.location ?? '' }
    assert.deepEqual((await client.postAsGet(authorization.url)).json, reply.json)
    await client.post(journey.provision(client, authorization).url, {})
    assert.equal((await client.poll(authorization.url)).json.status, 'valid')
    authorizations.push(authorization.url)
  }
  const again = await client.post(newAuthz, { identifier: { type: 'dns', value: 'early.localhost' } })
  assert.deepEqual([again.status, again.json.status, again.headers.location], [201, 'valid', authorizations[0]])

  const names = ['early.localhost', '127.0.0.1']
  const order = await client.newOrder(names)
  assert.equal(order.json.status, 'ready', order.text)
  assert.deepEqual(order.json.authorizations, authorizations)
  const done = await client.post(order.json.finalize, { csr: client.csr(names).base64url })
  assert.equal(done.json.status, 'valid', done.text)
  const listed = await client.postAsGet(`${client.accountUrl}/orders`)
  assert.deepEqual(listed.json.orders, [order.headers.location])
})

test('what is not proved or not willed is not authorized in advance: wildcards, denied names, other accounts', async () => {
  const client = await journey.registered()
  const { newAuthz = '' } = await client.directory()
  const ask = (value: string) => client.post(newAuthz, { identifier: { type: 'dns', value } })
  assert.match(assertRefused(await ask('*.early.localhost'), 403, 'rejectedIdentifier'), /wildcard/)
  assertRefused(await ask('www.example.com'), 403, 'rejectedIdentifier')
  assertRefused(await ask('a..localhost'), 400, 'malformed')
  assertRefused(
    await client.post(newAuthz, { identifier: { type: 'bundleEID', value: 'dtn://b.c/' } }),
    400,
    'unsupportedIdentifier',
  )

  const open = await ask('open.localhost')
  const failing = await ask('failing.localhost')
  await client.post(challengeOf(failing.json).url, {})
  assert.equal((await client.poll(failing.headers.location ?? '')).json.status, 'invalid')
  assert.equal((await client.newOrder(['failing.localhost'])).json.status, 'pending')
  const order = await client.newOrder(['open.localhost'])
  assert.deepEqual(order.json.authorizations, [open.headers.location])

  await journey.ready(client, ['mine.localhost'])
  const other = await journey.registered()
  assert.equal((await other.newOrder(['mine.localhost'])).json.status, 'pending')
  assert.equal((await other.postAsGet(open.headers.location ?? '')).status, 404)
})

test('RFC 8555 §7.1.2.1 the list of 205 orders comes newest first in three pages, each linked by rel="next"', async () => {
  const server = await openEdgeServer()
  try {
    const client = server.client()
    await client.newAccount()
    const made: string[] = []
    for (let i = 0; i < 205; i++) {
      made.unshift((await client.newOrder(['listed.test'])).headers.location!)
      await server.clock.advance(1_000)
    }
    const pages: string[][] = []
    for (let next: string | undefined = `${client.accountUrl}/orders`; next !== undefined; ) {
      const reply = await client.postAsGet(next)
      assert.equal(reply.status, 200, reply.text)
      pages.push(reply.json.orders)
      next = /<([^>]+)>;rel="next"/.exec(String(reply.headers.link))?.[1]
    }
    assert.deepEqual(
      pages.map(({ length }) => length),
      [100, 100, 5],
    )
    assert.deepEqual(pages.flat(), made)
  } finally {
    await server.close()
  }
})
