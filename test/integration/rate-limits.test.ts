import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { newOrder } from '../../src/acme/endpoints/new-order.ts'
import { directoryUrls } from '../../src/acme/urls.ts'
import { configSchema } from '../../src/config/schema.ts'
import type { AccountId } from '../../src/lib/ids.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { createLimits } from '../../src/limits/create-limits.ts'
import { openSqliteStore } from '../../src/store/sqlite/engine.ts'
import type { AcmeReply, AcmeTestClient } from '../support/acme-test-client.ts'
import { identifiers, idIn, openAcmeWorld, type TestAccount } from '../support/acme-world.ts'
import { type EdgeServer, type EdgeServerOptions, openEdgeServer, PUBLIC_URL } from '../support/edge-server.ts'
import { toIdentifier } from '../support/test-csr.ts'
import { generateTestKey } from '../support/test-keys.ts'

const urls = directoryUrls(PUBLIC_URL, 'default')
const open: EdgeServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function serve(
  limits: NonNullable<EdgeServerOptions['limits']>,
  more: EdgeServerOptions = {},
): Promise<EdgeServer> {
  const server = await openEdgeServer({ ...more, limits })
  open.push(server)
  return server
}

/** RFC 8555 §6.6: status, type, Retry-After, a nonce, and a detail that names the limit. @returns seconds to wait */
function limited(reply: AcmeReply, limit: string, size?: string): number {
  assert.equal(reply.status, 429, reply.text)
  assert.equal(reply.headers['content-type'], 'application/problem+json')
  assert.equal(reply.json.type, 'urn:ietf:params:acme:error:rateLimited')
  assert.equal(reply.json.status, 429)
  assert.ok(reply.headers['replay-nonce'])
  assert.ok(reply.json.detail.includes(`limits.${limit}`), reply.json.detail)
  if (size !== undefined) assert.ok(reply.json.detail.includes(size), reply.json.detail)
  assert.match(reply.json.detail, /Come back after 20\d\d-\d\d-\d\dT[\d:]{8}Z \(reference req_/)
  const seconds = Number(reply.headers['retry-after'])
  assert.ok(Number.isInteger(seconds) && seconds >= 1, String(seconds))
  return seconds
}

const counted = (server: EdgeServer, limit: string): number =>
  server.metrics.counts.get(`chancery_rate_limited_total ${limit}`) ?? 0

async function registered(server: EdgeServer): Promise<AcmeTestClient> {
  const client = server.client()
  assert.equal((await client.newAccount()).status, 201)
  return client
}

/** Moves the clock so far that nonces of these clients may be too old, and gets them fresh ones. */
async function pass(server: EdgeServer, seconds: number, ...clients: readonly AcmeTestClient[]): Promise<void> {
  await server.clock.advance(seconds * 1000)
  for (const client of clients) await client.get(urls.newNonce)
}

const accountOf = (client: AcmeTestClient): TestAccount =>
  ({ record: { id: idIn(client.accountUrl) as AccountId, directory: 'default' } }) as TestAccount

/** Orders, proves and finalizes over HTTPS. */
async function issue(server: EdgeServer, client: AcmeTestClient, ...names: string[]): Promise<AcmeReply> {
  const order = await client.newOrder(names)
  assert.equal(order.status, 201, order.text)
  for (const url of order.json.authorizations) {
    if ((await client.postAsGet(url)).json.status === 'pending') await server.prove(accountOf(client), idIn(url))
  }
  const finalized = await client.post(order.json.finalize, { csr: client.csr(names).base64url })
  assert.equal(finalized.json.status, 'valid', finalized.text)
  return finalized
}

test('KF-F06 KF-F07 requests of an address: refused with the time to come back, and served when it has come', async () => {
  const server = await serve({ requestsPerAddress: '60/1m burst 5', helpUrl: 'https://wiki.test/limits' })
  const client = server.client()
  for (let i = 0; i < 5; i++) assert.equal((await client.get(urls.directory)).status, 200)
  const refused = await client.get(urls.directory)
  const seconds = limited(refused, 'requestsPerAddress', '60/1m burst 5')
  assert.match(String(refused.headers.link), /<https:\/\/wiki\.test\/limits>;rel="help"/)
  limited(await client.get(urls.newNonce), 'requestsPerAddress')
  limited(await client.request('POST', urls.newOrder, { body: '{}' }), 'requestsPerAddress')
  assert.equal((await server.client().get(urls.directory)).status, 429, 'a new connection changes nothing')
  await server.clock.advance(seconds * 1000)
  assert.equal((await client.get(urls.directory)).status, 200)
  assert.equal(counted(server, 'requestsPerAddress'), 4)
  assert.deepEqual(
    server.log.of('limits.reached').map(({ limit, subject }) => [limit, subject]),
    [['requestsPerAddress', '127.0.0.1/32']],
    'one line a minute',
  )
})

test('KF-F18 X-Forwarded-For changes nothing unless the proxy is listed', async () => {
  const server = await serve({ requestsPerAddress: '60/1m burst 3' })
  const client = server.client()
  for (let i = 0; i < 3; i++) assert.equal((await client.get(urls.directory)).status, 200)
  for (let i = 0; i < 3; i++)
    limited(await client.get(urls.directory, { 'X-Forwarded-For': `198.51.100.${i}` }), 'requestsPerAddress')
})

test('KF-F06 whoever walks a /64 stays one address, and a whole /48 is held to a few of them', async () => {
  const server = await serve({
    requestsPerAddress: '60/1m burst 10',
    ipv6NetworkFactor: 3,
    trustedProxies: ['127.0.0.0/8'],
  })
  const client = server.client()
  const from = (address: string) => client.get(urls.directory, { 'X-Forwarded-For': address })
  let through = 0
  for (let i = 0; i < 50; i++) if ((await from(`2001:db8:1:1::${i.toString(16)}`)).status === 200) through++
  assert.equal(through, 10, 'the /64')
  for (let i = 2; i < 50; i++) if ((await from(`2001:db8:1:${i.toString(16)}::1`)).status === 200) through++
  assert.ok(through <= 30 && through >= 28, `the /48 let ${through} through`)
  assert.equal((await from('2001:db8:2:1::1')).status, 200, 'another network is not concerned')
  assert.equal((await from('198.51.100.1')).status, 200)
})

test('KF-F08 requests that nobody can be held to are counted apart, and refused before a signature is looked at', async () => {
  const server = await serve({ failedRequestsPerAddress: '60/1m burst 4' })
  const client = await registered(server)
  for (let i = 0; i < 4; i++) {
    const forged = await client.post(urls.newOrder, {}, { key: generateTestKey('ES256') })
    assert.equal(forged.status, 400, forged.text)
  }
  const seconds = limited(await client.newOrder(['a.test']), 'failedRequestsPerAddress')
  await server.clock.advance(seconds * 1000)
  assert.equal((await client.newOrder(['a.test'])).status, 201)
})

test('a stale nonce does not count as a failure, however often it happens', async () => {
  const server = await serve({ failedRequestsPerAddress: '60/1m burst 2' })
  const client = await registered(server)
  for (let i = 0; i < 10; i++) {
    const stale = await client.post(client.accountUrl!, '', { nonce: 'c3RhbGU' })
    assert.equal(stale.json.type, 'urn:ietf:params:acme:error:badNonce', stale.text)
  }
  assert.equal((await client.postAsGet(client.accountUrl!)).status, 200)
})

test('nonces of an address', async () => {
  const server = await serve({ newNoncesPerAddress: '60/1m burst 2' })
  const client = server.client()
  for (let i = 0; i < 2; i++) assert.equal((await client.request('HEAD', urls.newNonce)).status, 200)
  const seconds = limited(await client.get(urls.newNonce), 'newNoncesPerAddress')
  assert.equal((await client.get(urls.directory)).status, 200)
  await server.clock.advance(seconds * 1000)
  assert.equal((await client.get(urls.newNonce)).status, 204)
})

test('KF-F06 new accounts of an address and of a network; finding an old one is never refused', async () => {
  const server = await serve({
    newAccountsPerAddress: '60/1h burst 2',
    ipv6NetworkFactor: 2,
    trustedProxies: ['127.0.0.0/8'],
  })
  const register = async (address: string) => {
    const client = server.client()
    const reply = await client.newAccount({}, { headers: { 'X-Forwarded-For': address } })
    return { client, reply }
  }
  const first = await register('198.51.100.1')
  assert.equal(first.reply.status, 201)
  assert.equal((await register('198.51.100.1')).reply.status, 201)
  const seconds = limited((await register('198.51.100.1')).reply, 'newAccountsPerAddress', '60/1h burst 2')
  assert.ok(seconds >= 60)
  assert.equal((await first.client.newAccount({}, { headers: { 'X-Forwarded-For': '198.51.100.1' } })).status, 200)
  const statuses: number[] = []
  for (let i = 0; i < 6; i++) statuses.push((await register(`2001:db8:9:${i}::1`)).reply.status)
  assert.deepEqual(statuses, [201, 201, 201, 201, 429, 429])
  await server.clock.advance(seconds * 1000)
  assert.equal((await register('198.51.100.1')).reply.status, 201)
})

test('KF-F03 names of an account are counted one by one, and another account is not concerned', async () => {
  const server = await serve({ newNamesPerAccount: '60/1h burst 10' })
  const client = await registered(server)
  const names = (count: number, tag: string) => Array.from({ length: count }, (_, i) => `${tag}${i}.test`)
  assert.equal((await client.newOrder(names(8, 'a'))).status, 201)
  const seconds = limited(await client.newOrder(names(3, 'b')), 'newNamesPerAccount', '60/1h burst 10')
  assert.ok(seconds >= 60, 'one name a minute comes back')
  assert.equal((await client.newOrder(names(2, 'c'))).status, 201, 'a refused order took nothing')
  assert.equal((await (await registered(server)).newOrder(names(10, 'd'))).status, 201)
  await server.clock.advance(3 * 60_000)
  assert.equal((await client.newOrder(names(3, 'b'))).status, 201)
})

test('KF-F03 an order that is refused for what it asks costs nothing', async () => {
  const server = await serve({ newNamesPerAccount: '60/1h burst 2' })
  const client = await registered(server)
  for (let i = 0; i < 5; i++) assert.equal((await client.newOrder(['denied.test'])).status, 403)
  assert.equal((await client.newOrder(['a.test', 'b.test'])).status, 201)
})

test('KF-F03 an authorization in advance that nothing can prove costs nothing', async () => {
  const server = await serve({ newNamesPerAccount: '1/1d' }, { directory: { challenges: ['dns-01'] } })
  const client = await registered(server)
  const refused = await client.post(urls.newAuthz, { identifier: { type: 'ip', value: '10.0.0.1' } })
  assert.equal(refused.json.type, 'urn:ietf:params:acme:error:rejectedIdentifier', refused.text)
  assert.match(refused.json.detail, /None of the challenges/)
  const good = await client.post(urls.newAuthz, { identifier: toIdentifier('a.test') })
  assert.equal(good.status, 201, good.text)
})

test('KF-F06 names under an external account key, and in a directory, whatever the account', async () => {
  const server = await serve(
    { newNamesPerExternalKey: '60/1h burst 2', newNamesPerDirectory: '60/1h burst 3' },
    { directory: { externalAccount: 'optional' } },
  )
  const bound = server.client()
  const { id, macKey } = await server.eabKey()
  const binding = await bound.externalAccountBinding(id, macKey)
  assert.equal((await bound.newAccount({ externalAccountBinding: binding })).status, 201)
  assert.equal((await bound.newOrder(['a.test', 'b.test'])).status, 201)
  limited(await bound.newOrder(['c.test']), 'newNamesPerExternalKey')
  const free = await registered(server)
  assert.equal((await free.newOrder(['c.test'])).status, 201)
  const other = await registered(server)
  const seconds = limited(await other.newOrder(['d.test']), 'newNamesPerDirectory')
  await server.clock.advance(seconds * 1000)
  assert.equal((await other.newOrder(['d.test'])).status, 201)
})

test('KF-E17 a renewal is not refused for want of new names, a month long and whoever else ordered', async () => {
  const server = await serve({
    newNamesPerAccount: '1/1d',
    newNamesPerDirectory: '1/1d',
    certificatesPerParent: '1/1d',
  })
  const client = await registered(server)
  await issue(server, client, 'a.fleet.test')
  limited(await client.newOrder(['b.fleet.test']), 'newNamesPerAccount')
  for (let day = 0; day < 30; day++) {
    await pass(server, 22 * 3600, client)
    await issue(server, client, 'a.fleet.test')
  }
  await pass(server, 6 * 86_400, client)
  await issue(server, client, 'a.fleet.test')
})

test('the same names in another order, or upper case, are a renewal; one name more is not', async () => {
  const server = await serve({ newNamesPerAccount: '2/1d' })
  const client = await registered(server)
  await issue(server, client, 'a.test', 'b.test')
  assert.equal((await client.newOrder(['B.test', 'a.test'])).status, 201)
  limited(await client.newOrder(['a.test', 'b.test', 'c.test']), 'newNamesPerAccount')
  limited(await client.newOrder(['a.test']), 'newNamesPerAccount')
})

test('a certificate long expired, and one of another account, are no reason for a renewal', async () => {
  const server = await serve({ newNamesPerAccount: '1/30d', renewableFor: 86_400 })
  const client = await registered(server)
  await issue(server, client, 'a.test')
  const other = await registered(server)
  await issue(server, other, 'b.test')
  limited(await other.newOrder(['a.test']), 'newNamesPerAccount')
  await pass(server, 3 * 86_400, client)
  limited(await client.newOrder(['a.test']), 'newNamesPerAccount')
})

test('a client that renews over and over pays as for new names', async () => {
  const server = await serve({ newNamesPerAccount: '3/1d', renewalsPerNameSet: '5/1h' })
  const client = await registered(server)
  await issue(server, client, 'a.test')
  for (let i = 0; i < 5 + 2; i++) assert.equal((await client.newOrder(['a.test'])).status, 201)
  limited(await client.newOrder(['a.test']), 'newNamesPerAccount')
})

test('certificates for exactly the same names', async () => {
  const server = await serve({ certificatesPerNameSet: '24/1d burst 3' })
  const client = await registered(server)
  for (let i = 0; i < 3; i++) await issue(server, client, 'a.test')
  const seconds = limited(await client.newOrder(['a.test']), 'certificatesPerNameSet', '24/1d burst 3')
  assert.ok(seconds >= 3600)
  assert.equal((await client.newOrder(['a.test', 'b.test'])).status, 201, 'another set of names')
  await pass(server, seconds, client)
  await issue(server, client, 'a.test')
})

test('KF-F06 certificates under one parent name, across accounts; orders that never end use up nothing', async () => {
  const server = await serve({ certificatesPerParent: '24/1d burst 2' })
  const stranger = await registered(server)
  for (let i = 0; i < 5; i++) assert.equal((await stranger.newOrder([`x${i}.team.test`])).status, 201)
  const [one, two, three] = [await registered(server), await registered(server), await registered(server)]
  await issue(server, one, 'a.team.test')
  await issue(server, two, 'b.team.test')
  await server.services.limits.settled()
  const seconds = limited(await three.newOrder(['c.team.test']), 'certificatesPerParent')
  assert.equal((await three.newOrder(['c.other.test'])).status, 201)
  await issue(server, one, 'a.team.test')
  await server.services.limits.settled()
  await pass(server, seconds, three)
  assert.equal((await three.newOrder(['c.team.test'])).status, 201)
})

test('KF-F04 a name that fails and fails is paused with what to do about it, and others of the account are not', async () => {
  const server = await serve({ pauseAfterFailures: 3, pauseFor: 600 })
  const client = await registered(server)
  const account = accountOf(client)
  const failOnce = async (name: string): Promise<void> => {
    const order = await client.newOrder([name])
    assert.equal(order.status, 201, order.text)
    await server.disprove(account, idIn(order.json.authorizations[0]))
    await server.clock.advance(1000)
  }
  for (let i = 0; i < 3; i++) await failOnce('hopeless.test')
  const refused = await client.newOrder(['good.test', 'hopeless.test'])
  const seconds = limited(refused, 'pauseAfterFailures')
  assert.ok(seconds >= 599)
  assert.match(refused.json.detail, /Paused after 3 failed proofs in a row .*: hopeless\.test\./)
  assert.ok(refused.json.detail.includes(`chancery limits clear ${account.record.id}/dns:hopeless.test`))
  assert.deepEqual(
    refused.json.subproblems.map((sub: { type: string; identifier: object }) => [sub.type, sub.identifier]),
    [['urn:ietf:params:acme:error:rateLimited', { type: 'dns', value: 'hopeless.test' }]],
  )
  const inAdvance = await client.post(urls.newAuthz, { identifier: toIdentifier('hopeless.test') })
  limited(inAdvance, 'pauseAfterFailures')
  assert.equal((await client.newOrder(['good.test'])).status, 201)
  assert.equal((await (await registered(server)).newOrder(['hopeless.test'])).status, 201)
  assert.equal(counted(server, 'pause'), 2)

  await server.clock.advance(seconds * 1000)
  await failOnce('hopeless.test')
  assert.ok(limited(await client.newOrder(['hopeless.test']), 'pauseAfterFailures') >= 1199, 'twice as long')
})

test('KF-F04 a pause ends by the operator, and its count by a proof that succeeds', async () => {
  const server = await serve({ pauseAfterFailures: 2, pauseFor: 600 })
  const client = await registered(server)
  const account = accountOf(client)
  const failOnce = async (): Promise<void> => {
    const order = await client.newOrder(['a.test'])
    assert.equal(order.status, 201, order.text)
    await server.disprove(account, idIn(order.json.authorizations[0]))
    await server.clock.advance(1000)
  }
  for (let i = 0; i < 2; i++) await failOnce()
  limited(await client.newOrder(['a.test']), 'pauseAfterFailures')
  const key = `${account.record.id}/dns:a.test`
  assert.equal(await server.store.limits.clear(key, { at: server.clock.now(), event: 'limit.cleared', data: {} }), true)
  await failOnce()
  await issue(server, client, 'a.test')
  await pass(server, 90_000, client)
  await failOnce()
  assert.equal((await client.newOrder(['a.test'])).status, 201, 'one failure since the success')
})

test('revocations by an account, and by keys from an address', async () => {
  const server = await serve({ revocations: '60/1h burst 1' })
  const client = await registered(server)
  const certificate = async (): Promise<string> => {
    const finalized = await issue(server, client, 'a.test')
    const pem = (await client.postAsGet(finalized.json.certificate)).text
    return Buffer.from(/-----BEGIN CERTIFICATE-----([^-]*)/.exec(pem)?.[1] ?? '', 'base64').toString('base64url')
  }
  const [first, second] = [await certificate(), await certificate()]
  assert.equal((await client.post(urls.revokeCert, { certificate: first })).status, 200)
  const seconds = limited(await client.post(urls.revokeCert, { certificate: second }), 'revocations')
  await server.clock.advance(seconds * 1000)
  assert.equal((await client.post(urls.revokeCert, { certificate: second })).status, 200)
  const stranger = () => server.client().post(urls.revokeCert, { certificate: first }, { kid: null })
  assert.equal((await stranger()).status, 403)
  limited(await stranger(), 'revocations')
})

test('key changes of an account', async () => {
  const server = await serve({ keyChangesPerAccount: '60/1h burst 1' })
  const client = await registered(server)
  assert.equal((await client.keyChange(generateTestKey('ES256'))).status, 200)
  const seconds = limited(await client.keyChange(generateTestKey('ES256')), 'keyChangesPerAccount')
  await server.clock.advance(seconds * 1000)
  assert.equal((await client.keyChange(generateTestKey('ES256'))).status, 200)
})

test('limits.enabled=false switches all of them off', async () => {
  const strict = Object.fromEntries(
    Object.entries(configSchema.parse({}).limits).flatMap(([key, value]) =>
      typeof value === 'string' ? [[key, '1/1d']] : [],
    ),
  )
  const server = await serve({ ...strict, enabled: false, pauseAfterFailures: 1 })
  const client = await registered(server)
  for (let i = 0; i < 5; i++) {
    const order = await client.newOrder([`name${i}.test`, 'bad.test'])
    assert.equal(order.status, 201)
    await server.disprove(accountOf(client), idIn(order.json.authorizations[1]))
  }
  for (let i = 0; i < 3; i++) assert.equal((await client.keyChange(generateTestKey('ES256'))).status, 200)
})

test('KF-F06 replicas share what an account may have', async () => {
  const world = await openAcmeWorld({ limits: { newNamesPerAccount: '600/1h burst 600' } })
  const secondStore = await openSqliteStore({ path: world.path, clock: world.clock })
  const limits = createLimits({
    config: { ...configSchema.parse({}).limits, newNamesPerAccount: '600/1h burst 600' },
    store: secondStore.limits,
    clock: world.clock,
    random: systemRandom,
    log: world.log,
    metrics: world.metrics,
  })
  const second = { ...world.services, store: secondStore, limits }
  const account = await world.account()
  let through = 0
  let refused = 0
  for (let order = 0; order < 20; order++) {
    const names = Array.from({ length: 50 }, (_, i) => `o${order}n${i}.test`)
    const request = world.request({ by: account, payload: identifiers(...names) })
    try {
      await newOrder(request, order % 2 === 0 ? world.services : second)
      through++
    } catch (error) {
      assert.equal((error as { type?: string }).type, 'rateLimited')
      refused++
    }
  }
  assert.deepEqual([through, refused], [12, 8])
  await secondStore.close()
  await world.cleanup()
})
