import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { spawnChancery } from '../support/chancery.ts'
import { RawConnection } from '../support/raw-connection.ts'

test('CQ-T02 a connection that was idle for 10 s takes a signed POST, and SIGTERM loses no request on connections in use', async (t) => {
  const chancery = await spawnChancery()
  t.after(() => chancery.cleanup())
  t.after(() => chancery.stop())
  const { hostname, port } = new URL(chancery.urls.base)
  const client = new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem })
  t.after(() => client.close())
  assert.equal((await client.newAccount({})).status, 201)
  const path = new URL(client.accountUrl!).pathname
  // Each connection lives on the nonces of its own answers, so that nothing else is asked of a draining server.
  const nonces = new Map<RawConnection, string | undefined>()
  const post = async (connection: RawConnection) => {
    const nonce = nonces.get(connection) ?? (await client.newNonce())
    const body = await client.sign(client.accountUrl!, '', { nonce })
    connection.write(
      `POST ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/jose+json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
    const reply = await connection.response()
    nonces.set(connection, reply?.values('Replay-Nonce')[0])
    return reply
  }
  const pool = await Promise.all(Array.from({ length: 4 }, () => RawConnection.open(Number(port))))
  t.after(() => {
    for (const connection of pool) connection.close()
  })
  for (const connection of pool) assert.equal((await post(connection))?.status, 200)
  // Node's own limit is 5 s, after which the next request dies with EOF; no clock but the real one moves it.
  await new Promise((resolve) => setTimeout(resolve, 10_000))
  for (const connection of pool) assert.equal((await post(connection))?.status, 200)

  // Each connection asks on until it is told to close; a request that was sent before that is answered.
  const asking = pool.map(async (connection) => {
    for (let asked = 0; ; asked++) {
      const reply = await post(connection)
      assert.ok(reply !== undefined, `request ${asked} was lost`)
      assert.equal(reply.status, 200, reply.body)
      if (reply.values('Connection')[0] === 'close') return
      assert.ok(asked < 2_000, 'the draining server never said close')
    }
  })
  const ended = chancery.stop('SIGTERM')
  await Promise.all(asking)
  assert.deepEqual(await ended, { code: 0, signal: null })
})
