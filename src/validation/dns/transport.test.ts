import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { test } from 'node:test'
import { DnsError } from './dns-error.ts'
import { askByTcp, askByUdp } from './transport.ts'

const QUERY = Buffer.alloc(20)
const never = () => assert.fail('nothing was answered')

test('KF-F14 a resolver that the network has no way to is unreachable, and the process goes on', async () => {
  // To broadcast is not allowed, so the system refuses as it does where a route is missing: at once, at the connect.
  const server = { address: '255.255.255.255', port: 53 }
  for (const ask of [askByUdp, askByTcp]) {
    await assert.rejects(
      ask(server, QUERY, never, new AbortController().signal),
      (error) => error instanceof DnsError && error.code === 'unreachable',
    )
  }
})

test('what a resolver answers by UDP is received, strays before it are passed over', async (t) => {
  const resolver = createSocket('udp4')
  t.after(() => resolver.close())
  await new Promise<void>((resolve) => resolver.bind(0, '127.0.0.1', resolve))
  resolver.on('message', (_query, from) => {
    for (const text of ['stray', 'answer']) resolver.send(text, from.port, from.address)
  })
  const { port } = resolver.address()
  const receive = (packet: Buffer) => (packet.toString() === 'stray' ? 'stray' : { answer: packet.toString() })
  const server = { address: '127.0.0.1', port }
  assert.equal(await askByUdp(server, QUERY, receive, new AbortController().signal), 'answer')
})
