import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import type { AcmeReply, AcmeTestClient } from '../support/acme-test-client.ts'
import { type EdgeServer, openEdgeServer } from '../support/edge-server.ts'
import { TEST_TLS } from '../support/self-signed.ts'

/** Pieces of work that the server takes up at once, and those that may wait in this test. */
const UNDER_WAY = 24
const QUEUE = 16

const PATIENCE_MS = 30_000

/** Lets the event loop go round until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  const startedMs = performance.now()
  while (!isSo()) {
    assert.ok(performance.now() - startedMs < PATIENCE_MS, `waited in vain: ${isSo}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('KF-F23 twice the load that the server can take', () => {
  let server: EdgeServer
  let client: AcmeTestClient
  let newOrder: string
  /** The store answers only while it is open. */
  let gate: PromiseWithResolvers<void> | undefined
  let held = 0

  before(async () => {
    server = await openEdgeServer({
      limits: { requests: UNDER_WAY, queueLength: QUEUE },
      services: ({ store }) => ({
        store: {
          ...store,
          nonces: {
            spend: async (id, expiresAt) => {
              held++
              await gate?.promise
              held--
              return store.nonces.spend(id, expiresAt)
            },
          },
        },
      }),
    })
    client = server.client()
    assert.equal((await client.newAccount()).status, 201)
    newOrder = (await client.directory())['newOrder'] as string
  })
  after(async () => {
    gate?.resolve()
    await server.close()
  })

  /** An order that is ready, and the finalize that would end it, signed. */
  async function readyOrder(name: string): Promise<{ url: string; body: string }> {
    const order = await client.newOrder([name])
    assert.equal(order.status, 201, order.text)
    const record = await server.store.accounts.findByThumbprint('default', client.key.thumbprint)
    assert.ok(record)
    const authorizationId = String(order.json.authorizations[0]).split('/').at(-1) ?? ''
    await server.prove({ record, key: client.key }, authorizationId)
    const url = order.json.finalize
    return { url, body: await client.sign(url, { csr: client.csr([name]).base64url }) }
  }

  const send = (url: string, body: string): Promise<AcmeReply> => client.post(url, undefined, { body })

  const signOrders = (count: number, prefix: string): Promise<string[]> =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        client.sign(newOrder, { identifiers: [{ type: 'dns', value: `${prefix}-${i}.test` }] }),
      ),
    )

  test('new orders are refused cleanly, those in flight finish, and then all is as before', async () => {
    const ready = await readyOrder('in-flight.test')
    const bodies = await signOrders(6 * (UNDER_WAY + QUEUE), 'crowd')
    gate = Promise.withResolvers<void>()
    const sent = bodies.map((body) => ({ body, reply: send(newOrder, body) }))
    const refused: { body: string; reply: AcmeReply }[] = []
    for (const { body, reply } of sent) {
      void reply.then((answer) => {
        if (answer.status === 503) refused.push({ body, reply: answer })
      })
    }
    await until(() => refused.length >= UNDER_WAY)

    // In the middle of it: reads that cost nothing are served, and the order in flight takes the place of a new one.
    const other = server.client()
    assert.equal((await other.get(other.directoryUrl)).status, 200)
    assert.ok(await other.newNonce())
    const finalized = send(ready.url, ready.body)
    gate.resolve()
    gate = undefined
    assert.deepEqual([(await finalized).status, (await finalized).json.status], [200, 'valid'])

    const replies = await Promise.all(sent.map(({ reply }) => reply))
    assert.deepEqual(
      replies.map(({ status }) => status).filter((status) => status !== 201 && status !== 503),
      [],
    )
    assert.ok(replies.filter(({ status }) => status === 201).length >= UNDER_WAY)
    const waits = new Set<number>()
    for (const { reply } of refused) {
      assert.match(String(reply.headers['retry-after']), /^[1-9]\d{0,2}$/)
      waits.add(Number(reply.headers['retry-after']))
      assert.match(String(reply.headers['replay-nonce']), /^[A-Za-z0-9_-]+$/)
      assert.equal(reply.headers['content-type'], 'application/problem+json')
      assert.equal(reply.json.type, 'urn:ietf:params:acme:error:serverInternal')
      assert.match(reply.json.detail, /\(reference req_[A-Za-z0-9_-]{22}\)$/)
    }
    assert.ok(waits.size > 2, 'the crowd is told to come back one after the other')
    const [reference] = /req_[A-Za-z0-9_-]{22}/.exec(refused[0]?.reply.json.detail) ?? []
    const line = server.log.lines.find(({ fields }) => fields['requestId'] === reference)
    assert.deepEqual(
      [line?.level, line?.fields['status']],
      ['info', 503],
      'the operator finds what the client was told',
    )

    await server.clock.advance(1_000)
    assert.equal(server.log.of('overload.ended').length, 1)
    assert.equal((await client.newOrder(['after.test'])).status, 201)
  })

  test('what was refused had not spent its nonce: the very same request is good afterwards', async () => {
    const bodies = await signOrders(2 * (UNDER_WAY + QUEUE), 'again')
    gate = Promise.withResolvers<void>()
    const refused: string[] = []
    const sent = bodies.map((body) =>
      send(newOrder, body).then(({ status }) => {
        if (status === 503) refused.push(body)
      }),
    )
    await until(() => refused.length > 0)
    gate.resolve()
    gate = undefined
    await Promise.all(sent)
    await server.clock.advance(1_000)
    assert.equal((await send(newOrder, refused[0] ?? '')).status, 201)
    assert.equal((await send(newOrder, refused[0] ?? '')).json.type, 'urn:ietf:params:acme:error:badNonce')
  })

  test('nobody waits without an end for a store that stands still', async () => {
    const bodies = await signOrders(UNDER_WAY + 1, 'stuck')
    gate = Promise.withResolvers<void>()
    const replies: Promise<AcmeReply>[] = []
    // One after the other, so that the line before the work never has an end.
    for (const body of bodies) {
      replies.push(send(newOrder, body))
      await until(() => held >= Math.min(replies.length, UNDER_WAY))
    }
    const first = Promise.race(replies)
    const isOver = first.then(() => true)
    while (!(await Promise.race([isOver, server.clock.advance(100)]))) await new Promise((r) => setTimeout(r, 1))
    assert.equal((await first).status, 503)
    gate.resolve()
    gate = undefined
    assert.equal((await Promise.all(replies)).filter(({ status }) => status === 201).length, UNDER_WAY)
    await server.clock.advance(1_000)
  })

  test('while validations are backed up no new order is taken, and polls are told to come less often', async () => {
    let backlog = 0
    const busy = await openEdgeServer({
      services: ({ validation }) => ({
        validation: { ...validation, pressure: () => backlog, waitSeconds: () => backlog * 20 },
      }),
    })
    try {
      const own = busy.client()
      await own.newAccount()
      const order = await own.newOrder(['slow.test'])
      const authorization = await own.postAsGet(order.json.authorizations[0])
      const challenge = authorization.json.challenges[0].url
      backlog = 1
      const refused = await own.newOrder(['late.test'])
      assert.deepEqual([refused.status, Number(refused.headers['retry-after']) >= 1], [503, true])
      const answered = await own.post(challenge, {})
      assert.equal(answered.status, 200)
      const told = Number(answered.headers['retry-after'])
      assert.ok(told >= 20 && told <= 30, `${told}`)
      backlog = 0
      await busy.clock.advance(1_000)
      assert.equal((await own.postAsGet(challenge)).headers['retry-after'], '1')
      assert.equal((await own.newOrder(['late.test'])).status, 201)
    } finally {
      await busy.close()
    }
  })

  test('a client that returns resumes its TLS session, which costs no signature', async () => {
    const open = async (session?: Buffer): Promise<TLSSocket> => {
      const socket = connect({
        host: '127.0.0.1',
        port: server.port,
        ca: TEST_TLS.cert,
        servername: 'ca.test',
        ALPNProtocols: ['http/1.1'],
        ...(session && { session }),
      })
      await once(socket, 'secureConnect')
      return socket
    }
    const first = await open()
    first.write('GET /directory HTTP/1.1\r\nHost: ca.test\r\n\r\n')
    const [session] = (await once(first, 'session')) as [Buffer]
    first.destroy()
    const second = await open(session)
    assert.equal(second.isSessionReused(), true)
    second.destroy()
  })
})
