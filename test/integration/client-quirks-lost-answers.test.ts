import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { assertRefused, type Journey, startJourney } from '../support/acme-journey.ts'
import type { AcmeReply, AcmeTestClient, Forge } from '../support/acme-test-client.ts'
import { generateTestKey } from '../support/test-keys.ts'

let journey: Journey
before(async () => {
  journey = await startJourney()
})
after(() => journey?.close())

/** Sends a signed request and hangs up at the first byte of the answer, which goes out only after the commit. */
function sendAndHangUp(url: string, body: string): Promise<void> {
  const { hostname, port, pathname } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: Number(port),
      servername: hostname,
      ca: journey.chancery.rootPem,
    })
    socket.on('secureConnect', () =>
      socket.write(
        `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/jose+json\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      ),
    )
    socket.on('data', () => {
      socket.destroy()
      resolve()
    })
    socket.on('error', reject)
  })
}

/**
 * The answer is lost; the client sends the same bytes again, gets `badNonce` with a fresh nonce, and signs anew.
 *
 * @param told what the second try is told where the first one ended the account or changed its key
 * @returns the answer to the third try
 */
async function loseAnswer(
  client: AcmeTestClient,
  url: string,
  payload: unknown,
  forge: Forge = {},
  told: { status: number; type: string } = { status: 400, type: 'badNonce' },
): Promise<AcmeReply> {
  const body = await client.sign(url, payload, forge)
  await sendAndHangUp(url, body)
  const replayed = await client.post(url, payload, { body })
  assertRefused(replayed, told.status, told.type)
  return client.post(url, payload, { ...forge, nonce: replayed.headers['replay-nonce'] })
}

const count = async (table: string) => (await journey.chancery.store.retention.counts())[table]

test('CQ-N05 newAccount: one account, found by the third try', async () => {
  const client = journey.client()
  const { newAccount = '' } = await client.directory()
  const accounts = (await count('accounts')) ?? 0
  const third = await loseAnswer(client, newAccount, { contact: ['mailto:lost@n05.localhost'] }, { kid: null })
  assert.equal(third.status, 200)
  assert.deepEqual(third.json.contact, ['mailto:lost@n05.localhost'])
  assert.ok(third.headers.location)
  assert.equal(await count('accounts'), accounts + 1)
})

test('CQ-N05 account update and deactivation hold', async () => {
  const client = await journey.registered()
  const updated = await loseAnswer(client, client.accountUrl!, { contact: ['mailto:new@n05.localhost'] })
  assert.deepEqual([updated.status, updated.json.contact], [200, ['mailto:new@n05.localhost']])
  const told = { status: 401, type: 'unauthorized' }
  const third = await loseAnswer(client, client.accountUrl!, { status: 'deactivated' }, {}, told)
  assert.match(assertRefused(third, 401, 'unauthorized'), /deactivated/)
})

test('CQ-N05 keyChange: the new key has the account, and asking again under it says which account that is', async () => {
  const client = await journey.registered()
  const { keyChange = '' } = await client.directory()
  const newKey = generateTestKey()
  const inner = await client.keyChangeInner(newKey)
  const told = { status: 400, type: 'malformed' }
  assert.match(assertRefused(await loseAnswer(client, keyChange, inner, {}, told), 400, 'malformed'), /does not verify/)
  client.key = newKey
  const found = await client.newAccount({ onlyReturnExisting: true })
  assert.deepEqual([found.status, found.headers.location], [200, client.accountUrl])
})

test('CQ-N05 CQ-O12 newOrder: the second order shares the authorizations, and one proof makes it ready', async () => {
  const client = await journey.registered()
  const { newOrder = '' } = await client.directory()
  const authorizations = (await count('authorizations')) ?? 0
  const third = await loseAnswer(client, newOrder, { identifiers: [{ type: 'dns', value: 'order.n05.localhost' }] })
  assert.equal(third.status, 201)
  assert.equal(await count('authorizations'), authorizations + 1)
  const listed = await client.postAsGet(`${client.accountUrl}/orders`)
  assert.equal(listed.json.orders.length, 2)
  assert.ok(listed.json.orders.includes(third.headers.location))
})

test('CQ-N05 newAuthz, response to a challenge, deactivation of an authorization: the same objects, once', async () => {
  const client = await journey.registered()
  const { newAuthz = '' } = await client.directory()
  const authorizations = (await count('authorizations')) ?? 0
  const third = await loseAnswer(client, newAuthz, { identifier: { type: 'dns', value: 'authz.n05.localhost' } })
  assert.equal(third.status, 201)
  assert.equal(await count('authorizations'), authorizations + 1)

  const placed = await journey.place(client, ['authz.n05.localhost'])
  const [authorization] = placed.authorizations
  const challenge = journey.provision(client, authorization!)
  const asked = journey.target.requests.length
  assert.equal((await loseAnswer(client, challenge.url, {})).status, 200)
  assert.equal((await client.poll(authorization!.url)).json.status, 'valid')
  assert.equal(journey.target.requests.length, asked + 1)

  const given = await loseAnswer(client, authorization!.url, { status: 'deactivated' })
  assert.deepEqual([given.status, given.json.status], [200, 'deactivated'])
})

test('CQ-N05 CQ-F02 finalize and revokeCert: one certificate, and the second revocation says when the first was', async () => {
  const client = await journey.registered()
  const placed = await journey.ready(client, ['final.n05.localhost'])
  const certificates = (await count('certificates')) ?? 0
  const { base64url: csr } = client.csr(['final.n05.localhost'])
  const third = await loseAnswer(client, placed.finalize, { csr })
  assert.deepEqual([third.status, third.headers.location], [200, placed.url])
  const done = await client.poll(placed.url)
  assert.equal(done.json.status, 'valid')
  assert.equal(await count('certificates'), certificates + 1)

  const chain = await loseAnswer(client, done.json.certificate, '')
  assert.equal(chain.status, 200)
  const certificate = Buffer.from(chain.text.split('-----')[2]!, 'base64').toString('base64url')
  const { revokeCert = '' } = await client.directory()
  const again = await loseAnswer(client, revokeCert, { certificate })
  assert.match(assertRefused(again, 400, 'alreadyRevoked'), /\d{4}-\d\d-\d\dT/)
})
