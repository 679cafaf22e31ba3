import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { spawnChancery } from '../support/chancery.ts'

const CLIENTS = 16
/** How each of them gets the nonce it keeps: as the clients in the field do. */
const SOURCES = ['newNonce by HEAD', 'newNonce by GET', 'directory', 'answer to a POST'] as const

test('CQ-N02 16 clients, the server killed between nonce and use: no badNonce, and each nonce still works only once', async (t) => {
  const set = ['publicUrl=https://localhost']
  const first = await spawnChancery({ set })
  t.after(() => first.cleanup())
  const connectTo = (acme: string) => ({ host: '127.0.0.1', port: Number(new URL(acme).port) })
  const directoryUrl = 'https://localhost/acme/default/directory'
  const before = Array.from({ length: CLIENTS }, () => {
    const client = new AcmeTestClient({ directoryUrl, ca: first.rootPem, connectTo: connectTo(first.urls.base) })
    t.after(() => client.close())
    return client
  })
  const kept = await Promise.all(
    before.map(async (client, index) => {
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
  const spent = await before[0]!.newNonce()
  assert.equal((await before[0]!.postAsGet(before[0]!.accountUrl!, { nonce: spent })).status, 200)
  await first.stop('SIGKILL')

  const second = await spawnChancery({ set, home: first.home })
  t.after(() => second.stop())
  const after = before.map((client) => {
    const again = new AcmeTestClient({
      directoryUrl,
      ca: second.rootPem,
      key: client.key,
      connectTo: connectTo(second.urls.base),
    })
    again.accountUrl = client.accountUrl
    t.after(() => again.close())
    return again
  })
  const replies = await Promise.all(
    after.map((client, index) => client.postAsGet(client.accountUrl!, { nonce: kept[index] })),
  )
  assert.deepEqual(
    replies.map(({ status, json }) => `${status} ${json.type ?? ''}`),
    Array.from({ length: CLIENTS }, () => '200 '),
  )
  for (const nonce of [spent, kept[0]]) {
    const again = await after[0]!.postAsGet(after[0]!.accountUrl!, { nonce })
    assert.deepEqual([again.status, again.json.type], [400, 'urn:ietf:params:acme:error:badNonce'])
    assert.match(again.json.detail, /^JWS has an invalid anti-replay nonce/)
  }
})
