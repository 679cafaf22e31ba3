import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { type SpawnedChancery, spawnChancery } from '../support/chancery.ts'

const CLIENTS = 16
/** How each of them gets the nonce it keeps: as the clients in the field do. */
const SOURCES = ['newNonce by HEAD', 'newNonce by GET', 'directory', 'answer to a POST'] as const

const set = ['publicUrl=https://localhost']
const directoryUrl = 'https://localhost/acme/default/directory'
const BAD_NONCE = 'urn:ietf:params:acme:error:badNonce'

function connectTo({ urls }: SpawnedChancery) {
  return { host: '127.0.0.1', port: Number(new URL(urls.base).port) }
}

/** Registers clients, each with a nonce it keeps; the last nonce is one that was spent. */
async function clientsOf(t: TestContext, server: SpawnedChancery) {
  const clients = Array.from({ length: CLIENTS }, () => {
    const client = new AcmeTestClient({ directoryUrl, ca: server.rootPem, connectTo: connectTo(server) })
    t.after(() => client.close())
    return client
  })
  const kept = await Promise.all(
    clients.map(async (client, index) => {
      assert.equal((await client.newAccount({})).status, 201)
      const { newNonce = '' } = await client.directory()
      const source = SOURCES[index % SOURCES.length]!
      switch (source) {
        case 'newNonce by HEAD':
          return (await client.request('HEAD', newNonce)).headers['replay-nonce']
        case 'newNonce by GET':
          return (await client.get(newNonce)).headers['replay-nonce']
        case 'directory':
          return (await client.get(directoryUrl)).headers['replay-nonce']
        case 'answer to a POST':
          return (await client.postAsGet(client.accountUrl!)).headers['replay-nonce']
        default:
          return source satisfies never
      }
    }),
  )
  const spent = await clients[0]!.newNonce()
  assert.equal((await clients[0]!.postAsGet(clients[0]!.accountUrl!, { nonce: spent })).status, 200)
  return { clients, kept, spent }
}

/** The same accounts at the server that was started again. */
function again(t: TestContext, clients: readonly AcmeTestClient[], server: SpawnedChancery) {
  return clients.map((client) => {
    const same = new AcmeTestClient({ directoryUrl, ca: server.rootPem, key: client.key, connectTo: connectTo(server) })
    same.accountUrl = client.accountUrl
    t.after(() => same.close())
    return same
  })
}

async function refused(client: AcmeTestClient, nonce: unknown): Promise<void> {
  const reply = await client.postAsGet(client.accountUrl!, { nonce })
  assert.deepEqual([reply.status, reply.json.type], [400, BAD_NONCE])
  assert.match(reply.json.detail, /^JWS has an invalid anti-replay nonce/)
}

test('CQ-N02 16 clients, the server restarted between nonce and use: no badNonce, and each nonce still works only once', async (t) => {
  const first = await spawnChancery({ set })
  t.after(() => first.cleanup())
  const { clients, kept, spent } = await clientsOf(t, first)
  await first.stop()

  const second = await spawnChancery({ set, home: first.home })
  t.after(() => second.stop())
  const after = again(t, clients, second)
  const replies = await Promise.all(
    after.map((client, index) => client.postAsGet(client.accountUrl!, { nonce: kept[index] })),
  )
  assert.deepEqual(
    replies.map(({ status, json }) => `${status} ${json.type ?? ''}`),
    Array.from({ length: CLIENTS }, () => '200 '),
  )
  await refused(after[0]!, spent)
  await refused(after[0]!, kept[0])
})

test('KF-B06 a server killed and killed again: no nonce that was spent is ever good, and the one that answers a refusal is', async (t) => {
  const first = await spawnChancery({ set })
  t.after(() => first.cleanup())
  const { clients, kept, spent } = await clientsOf(t, first)
  await first.stop('SIGKILL')
  const second = await spawnChancery({ set, home: first.home })
  await second.stop('SIGKILL')

  const third = await spawnChancery({ set, home: first.home })
  t.after(() => third.stop())
  const [client] = again(t, clients, third)
  await refused(client!, spent)
  // Of what was given out before a crash, nobody can tell any more what was spent.
  const reply = await client!.postAsGet(client!.accountUrl!, { nonce: kept[1] })
  assert.equal(reply.json.type, BAD_NONCE)
  const retry = await client!.postAsGet(client!.accountUrl!, { nonce: reply.headers['replay-nonce'] })
  assert.equal(retry.status, 200)
})
