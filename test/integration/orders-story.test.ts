import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { AcmeReply } from '../support/acme-test-client.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import type { TestChancery } from '../support/chancery.ts'
import { startTestChancery } from '../support/chancery.ts'
import type { HttpTarget } from '../support/http-target.ts'
import { startHttpTarget } from '../support/http-target.ts'
import { der } from '../support/test-csr.ts'

let chancery: TestChancery
let target: HttpTarget
const clients: AcmeTestClient[] = []

before(async () => {
  target = await startHttpTarget({ address: '127.0.0.1' })
  chancery = await startTestChancery({
    set: [`validation.http01.port=${target.port}`, 'validation.attempts=1', 'validation.retryAfter=1'],
  })
})

after(async () => {
  for (const client of clients) client.close()
  await chancery?.stop()
  await target?.close()
})

async function newClient(): Promise<AcmeTestClient> {
  const client = new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem })
  clients.push(client)
  assert.equal((await client.newAccount()).status, 201)
  return client
}

interface Placed {
  readonly orderUrl: string
  readonly authorizationUrl: string
  readonly finalizeUrl: string
  readonly challenge: { readonly url: string; readonly token: string }
}

async function place(client: AcmeTestClient, name: string): Promise<Placed> {
  const order = await client.newOrder([name])
  assert.equal(order.status, 201, order.text)
  const [authorizationUrl] = order.json.authorizations
  const authorization = await client.postAsGet(authorizationUrl)
  const challenge = authorization.json.challenges.find((one: { type: string }) => one.type === 'http-01')
  return { orderUrl: order.headers.location ?? '', authorizationUrl, finalizeUrl: order.json.finalize, challenge }
}

async function prove(client: AcmeTestClient, placed: Placed): Promise<void> {
  target.provision(placed.challenge.token, client.keyAuthorization(placed.challenge.token))
  await client.post(placed.challenge.url, {})
  assert.equal((await client.poll(placed.authorizationUrl)).json.status, 'valid')
}

async function issue(client: AcmeTestClient, name: string) {
  const placed = await place(client, name)
  await prove(client, placed)
  const csr = client.csr([name])
  const finalized = await client.post(placed.finalizeUrl, { csr: csr.base64url })
  const certificateUrl: string = finalized.json.certificate
  const leaf = new X509Certificate((await client.postAsGet(certificateUrl)).text)
  return { ...placed, certificateUrl, leaf, key: csr.key, csr: csr.base64url }
}

/** Every value of a header, one a line, as they came. */
function headerLines(reply: AcmeReply, name: string): string[] {
  return reply.rawHeaders.filter((_, i) => i % 2 === 1 && reply.rawHeaders[i - 1]?.toLowerCase() === name)
}

test('appendix 1: every answer on the way to a certificate has the code and headers that clients insist on', async () => {
  const client = await newClient()
  const seen: string[] = []
  const note = (what: string, reply: AcmeReply, headers: readonly string[]) => {
    const links = headerLines(reply, 'link').filter((link) => !link.endsWith(';rel="index"'))
    const shown = headers.map((name) => (name === 'link' ? links.join('|') : String(reply.headers[name])))
    seen.push([what, reply.status, ...shown].join(' '))
    assert.equal(headerLines(reply, 'replay-nonce').length, 1, what)
    return reply
  }
  const order = note('newOrder', await client.newOrder(['codes.localhost']), ['content-type'])
  const orderUrl = order.headers.location ?? ''
  assert.match(orderUrl, /^https:\/\/localhost:\d+\/acme\/default\/order\/ord_[\w-]{22}$/)
  const [authorizationUrl] = order.json.authorizations
  const authorization = note('authorization', await client.postAsGet(authorizationUrl), ['content-type'])
  const challenge = authorization.json.challenges.find((one: { type: string }) => one.type === 'http-01')
  const read = note('challenge read', await client.postAsGet(challenge.url), ['content-type'])
  target.provision(challenge.token, client.keyAuthorization(challenge.token))
  const responded = note('challenge', await client.post(challenge.url, {}), ['content-type'])
  for (const reply of [read, responded]) {
    assert.deepEqual(
      headerLines(reply, 'link').filter((link) => link.includes('up')),
      [`<${authorizationUrl}>;rel="up"`],
    )
    assert.equal(reply.json.url, challenge.url)
  }
  await client.poll(authorizationUrl)
  const ready = note('order', await client.postAsGet(orderUrl), ['content-type'])
  assert.equal(ready.json.status, 'ready')
  const finalized = note(
    'finalize',
    await client.post(order.json.finalize, { csr: client.csr(['codes.localhost']).base64url }),
    ['content-type'],
  )
  for (const reply of [ready, finalized]) assert.deepEqual(headerLines(reply, 'location'), [orderUrl])
  const chain = note('certificate', await client.postAsGet(finalized.json.certificate), ['content-type', 'link'])
  const payload = { certificate: new X509Certificate(chain.text).raw.toString('base64url') }
  const revoked = note('revoke', await client.post((await client.directory())['revokeCert'] ?? '', payload), [
    'content-length',
  ])
  assert.equal(revoked.bytes.length, 0)
  assert.deepEqual(seen, [
    'newOrder 201 application/json',
    'authorization 200 application/json',
    'challenge read 200 application/json',
    'challenge 200 application/json',
    'order 200 application/json',
    'finalize 200 application/json',
    'certificate 200 application/pem-certificate-chain ',
    'revoke 200 0',
  ])
})

test('CQ-V04 reading a challenge starts nothing: the host to be proved sees no request', async () => {
  const client = await newClient()
  const placed = await place(client, 'quiet.localhost')
  for (let i = 0; i < 3; i++) assert.equal((await client.postAsGet(placed.challenge.url)).json.status, 'pending')
  await prove(client, await place(client, 'other.localhost'))
  assert.equal(
    target.requests.some(({ url }) => url.endsWith(placed.challenge.token)),
    false,
  )
})

test('CQ-O04 CQ-F09 a tight poll never sees a valid authorization beside a pending order, nor ready after finalize', async () => {
  const [client, poller] = [await newClient(), await newClient()]
  poller.key = client.key
  poller.accountUrl = client.accountUrl
  const placed = await place(client, 'poll.localhost')
  const csr = client.csr(['poll.localhost']).base64url
  target.provision(placed.challenge.token, client.keyAuthorization(placed.challenge.token))
  let isFinalized = false
  let isDone = false
  const polling = (async () => {
    while (!isDone) {
      const wasFinalized = isFinalized
      const authorization = (await poller.postAsGet(placed.authorizationUrl)).json.status
      const order = (await poller.postAsGet(placed.orderUrl)).json.status
      assert.notEqual(`${authorization} ${order}`, 'valid pending')
      if (wasFinalized) assert.notEqual(order, 'ready')
    }
  })()
  await client.post(placed.challenge.url, {})
  await client.poll(placed.authorizationUrl)
  const finalized = await client.post(placed.finalizeUrl, { csr })
  isFinalized = true
  assert.equal(finalized.status, 200, finalized.text)
  await client.poll(placed.orderUrl)
  isDone = true
  await polling
})

test('CQ-F02 KF-E04 50 finalizes at once get 50 times the order and one certificate', async () => {
  const client = await newClient()
  const placed = await place(client, 'fifty.localhost')
  await prove(client, placed)
  const csr = client.csr(['fifty.localhost']).base64url
  const replies = await Promise.all(Array.from({ length: 50 }, () => client.post(placed.finalizeUrl, { csr })))
  for (const reply of replies) {
    assert.equal(reply.status, 200, reply.text)
    assert.equal(reply.headers.location, placed.orderUrl)
  }
  const done = await client.poll(placed.orderUrl)
  const urls = new Set(replies.map(({ json }) => json.certificate ?? done.json.certificate))
  assert.deepEqual([...urls], [done.json.certificate])
  const other = await client.post(placed.finalizeUrl, { csr: client.csr(['fifty.localhost']).base64url })
  assert.deepEqual([other.status, other.json.type], [403, 'urn:ietf:params:acme:error:orderNotReady'])
})

test('KF-B09 a second account walks every URL of the first and finds nothing', async () => {
  const [owner, stranger] = [await newClient(), await newClient()]
  const issued = await issue(owner, 'mine.localhost')
  const unknown = (url: string) =>
    url.replace(/_[\w-]{22}|[0-9a-f]{32}$/, (id) => (id.startsWith('_') ? `_${'0'.repeat(22)}` : '0'.repeat(32)))
  const problem = ({ status, json }: AcmeReply) =>
    `${status} ${json.type} ${json.detail.replaceAll(/req_[\w-]{22}/g, 'req')}`
  const urls = [issued.orderUrl, issued.authorizationUrl, issued.challenge.url, issued.certificateUrl]
  for (const url of urls)
    assert.equal(problem(await stranger.postAsGet(url)), problem(await stranger.postAsGet(unknown(url))), url)
  const changes: [string, object][] = [
    [issued.authorizationUrl, { status: 'deactivated' }],
    [issued.challenge.url, {}],
    [issued.finalizeUrl, { csr: issued.csr }],
  ]
  for (const [url, payload] of changes) {
    const reply = await stranger.post(url, payload)
    assert.equal(reply.status, 404, url)
    assert.equal(problem(reply), problem(await stranger.post(unknown(url), payload)), url)
  }
  assert.equal((await owner.postAsGet(issued.authorizationUrl)).json.status, 'valid')
})

test('CQ-V06 a failed proof: challenge, authorization and order are invalid, with type, detail and status, and no retry', async () => {
  const client = await newClient()
  const placed = await place(client, 'failing.localhost')
  await client.post(placed.challenge.url, {})
  const authorization = await client.poll(placed.authorizationUrl)
  assert.equal(authorization.json.status, 'invalid')
  assert.deepEqual(
    authorization.json.challenges.map(({ type }: { type: string }) => type),
    ['http-01'],
  )
  const { error } = authorization.json.challenges[0]
  assert.match(error.type, /^urn:ietf:params:acme:error:/)
  assert.ok(error.detail.length > 0 && error.status >= 400)
  const order = await client.postAsGet(placed.orderUrl)
  assert.equal(order.json.status, 'invalid')
  assert.ok(order.json.error.detail)
  const again = await client.post(placed.challenge.url, {})
  assert.deepEqual([again.status, again.json.type], [400, 'urn:ietf:params:acme:error:malformed'])
  const finalized = await client.post(placed.finalizeUrl, { csr: client.csr(['failing.localhost']).base64url })
  assert.deepEqual([finalized.status, finalized.json.type], [403, 'urn:ietf:params:acme:error:orderNotReady'])
})

test('CQ-F10 a refused CSR says what is wrong, leaves the order ready, and the operator finds it by its reference', async () => {
  const client = await newClient()
  const placed = await place(client, 'csr.localhost')
  await prove(client, placed)
  const email = der(0x81, Buffer.from('root@csr.localhost'))
  const name = der(0x82, Buffer.from('csr.localhost'))
  const refused = await client.post(placed.finalizeUrl, {
    csr: client.csr([], { generalNames: [name, email] }).base64url,
  })
  assert.deepEqual([refused.status, refused.json.type], [400, 'urn:ietf:params:acme:error:badCSR'])
  assert.match(refused.json.detail, /root@csr\.localhost/)
  const reference = /\(reference (req_[\w-]{22})\)/.exec(refused.json.detail)?.[1] ?? ''
  const [event] = await chancery.store.audit.findByReference(reference, 10)
  assert.equal(event?.event, 'order.finalize.refused')
  assert.equal((await client.postAsGet(placed.orderUrl)).json.status, 'ready')
  const good = await client.post(placed.finalizeUrl, { csr: client.csr(['csr.localhost']).base64url })
  assert.equal(good.json.status, 'valid')
})

test('CQ-R02 CQ-R04 a certificate is revoked by its key without an account, once', async () => {
  const owner = await newClient()
  const { leaf, key } = await issue(owner, 'revoked.localhost')
  const nobody = new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem, key })
  clients.push(nobody)
  const { revokeCert } = await nobody.directory()
  const payload = { certificate: leaf.raw.toString('base64url'), reason: 4 }
  const replies = await Promise.all(Array.from({ length: 4 }, () => nobody.post(revokeCert ?? '', payload)))
  assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 400, 400, 400])
  for (const { status, json } of replies) {
    if (status === 400) assert.equal(json.type, 'urn:ietf:params:acme:error:alreadyRevoked')
  }
})

test('KF-A24 CQ-O10 refusals of newOrder: what is wrong with each name, by name', async () => {
  const client = await newClient()
  const denied = await client.newOrder(['good.localhost', 'www.example.com'])
  assert.deepEqual([denied.status, denied.json.type], [403, 'urn:ietf:params:acme:error:rejectedIdentifier'])
  assert.deepEqual(
    denied.json.subproblems.map(({ identifier }: { identifier: unknown }) => identifier),
    [{ type: 'dns', value: 'www.example.com' }],
  )
  const mixed = await client.newOrder(['a..localhost', { type: 'bundleEID', value: 'dtn://b.localhost/' }])
  assert.equal(mixed.json.type, 'urn:ietf:params:acme:error:compound')
  assert.deepEqual(
    mixed.json.subproblems.map(({ type }: { type: string }) => type.split(':').at(-1)),
    ['malformed', 'unsupportedIdentifier'],
  )
})

test('one order can be followed through the log by its id, from newOrder to the download', async () => {
  const client = await newClient()
  const { orderUrl } = await issue(client, 'followed.localhost')
  const orderId = orderUrl.split('/').at(-1)
  const events = new Set(
    chancery.log.lines.filter(({ fields }) => fields.orderId === orderId).map(({ event }) => event),
  )
  for (const event of ['order.created', 'order.finalize', 'certificate.downloaded']) assert.ok(events.has(event), event)
})
