import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import { RecordingLogger, RecordingMetrics } from '../../test/support/recorders.ts'
import { send } from './respond.ts'
import { createHttpListener } from './server.ts'

/** Longer than an idle connection stays while the listener drains. */
const SLOW_MS = 600

test('CQ-T02 a slow answer on a connection that was idle when the listener began to drain comes in whole', async () => {
  const listener = createHttpListener({
    name: 'slow',
    limits: { enabled: false, connections: 10, connectionsPerAddress: 10, requestTimeout: 30, handshakes: 10 },
    routes: [
      { path: '/fast', handle: async (exchange) => send(exchange, 200, [], 'fast') },
      {
        path: '/slow',
        async handle(exchange) {
          await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
          send(exchange, 200, [], 'slow')
        },
      },
    ],
    otherwise: async (exchange) => send(exchange, 404, []),
    log: new RecordingLogger(),
    metrics: new RecordingMetrics(),
  })
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
