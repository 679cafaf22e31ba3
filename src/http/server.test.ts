import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import { send } from './respond.ts'
import { createHttpListener, type HttpListener, type HttpRoute } from './server.ts'

/** Longer than an idle connection stays while the listener drains. */
const SLOW_MS = 600

function listenerOf(routes: readonly HttpRoute[]): HttpListener {
  return createHttpListener({
    name: 'tested',
    limits: { enabled: false, connections: 10, connectionsPerAddress: 10, requestTimeout: 30, handshakes: 10 },
    routes,
    otherwise: async (exchange) => send(exchange, 404, []),
    log: new RecordingLogger(),
    metrics: new RecordingMetrics(),
  })
}

test('CQ-T02 a slow answer on a connection that was idle when the listener began to drain comes in whole', async () => {
  const listener = listenerOf([
    { path: '/fast', handle: async (exchange) => send(exchange, 200, [], 'fast') },
    {
      path: '/slow',
      async handle(exchange) {
        await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
        send(exchange, 200, [], 'slow')
      },
    },
  ])
  const { port } = await listener.listen('127.0.0.1', 0)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const get = async (path: string): Promise<{ body: string; connection: string | undefined }> => {
    const [response] = (await once(request({ port, path, agent }).end(), 'response')) as [IncomingMessage]
    let body = ''
    for await (const chunk of response) body += String(chunk)
    return { body, connection: response.headers.connection }
  }
  assert.deepEqual(await get('/fast'), { body: 'fast', connection: 'keep-alive' })
  const drained = listener.drain()
  assert.deepEqual(await get('/slow'), { body: 'slow', connection: 'close' })
  await drained
  agent.destroy()
})

test('KF-F07 who is to come back much later is told to let go of its connection, and keeps it by coming back at once', async () => {
  const timeouts: (number | undefined)[] = []
  const answering = (path: string, status: number, headers: readonly string[]): HttpRoute => ({
    path,
    async handle(exchange) {
      timeouts.push(exchange.request.socket.timeout)
      send(exchange, status, [...headers])
      timeouts.push(exchange.request.socket.timeout)
    },
  })
  const listener = listenerOf([
    answering('/well', 200, []),
    answering('/soon', 503, ['Retry-After', '29']),
    answering('/later', 503, ['Retry-After', '30']),
  ])
  const { port } = await listener.listen('127.0.0.1', 0)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const get = async (path: string): Promise<readonly unknown[]> => {
    const sent = request({ port, path, agent }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.resume()
    await once(response, 'end')
    return [response.headers['keep-alive'], sent.reusedSocket, ...timeouts.splice(0)]
  }
  assert.deepEqual(await get('/soon'), ['timeout=120', false, 150_000, 150_000])
  assert.deepEqual(await get('/later'), ['timeout=5', true, 150_000, 10_000])
  assert.deepEqual(await get('/later'), ['timeout=5', true, 150_000, 10_000])
  assert.deepEqual(await get('/well'), ['timeout=120', true, 150_000, 150_000])
  agent.destroy()
  await listener.close()
})
