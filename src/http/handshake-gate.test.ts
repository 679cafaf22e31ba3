import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { HandshakeGate, type HandshakeOutcome } from './handshake-gate.ts'

describe('the gate before TLS', () => {
  const nowMs = 0
  let cpuMs = 0
  let gate: HandshakeGate
  let begun: string[] = []
  let outcomes: HandshakeOutcome[] = []
  const server = createServer((socket) => gate.enter(socket))
  const clients: Socket[] = []

  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  beforeEach(() => {
    begun = []
    outcomes = []
  })
  after(() => {
    for (const client of clients) client.destroy()
    server.close()
  })

  function open(options: { patienceMs?: number; maxWaiting?: number; costMs?: number } = {}): void {
    gate = new HandshakeGate({
      begin: (socket) => {
        cpuMs += options.costMs ?? 0
        begun.push(String(socket.read()))
        socket.destroy()
      },
      patienceMs: options.patienceMs ?? 5_000,
      maxWaiting: options.maxWaiting ?? 100,
      monotonicMs: () => nowMs,
      cpuMs: () => cpuMs,
      onEnd: (outcome) => outcomes.push(outcome),
    })
  }

  async function client(hello?: string): Promise<Socket> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    clients.push(socket)
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    if (hello !== undefined) socket.write(hello)
    return socket
  }

  const closed = (socket: Socket) => (socket.closed ? Promise.resolve() : once(socket.resume(), 'close'))

  test('KF-F02 who says nothing holds up nobody, and is cut off', async () => {
    open({ patienceMs: 50 })
    const silent = await Promise.all(Array.from({ length: 20 }, () => client()))
    const speaking = await client('hello')
    await closed(speaking)
    assert.deepEqual(begun, ['hello'])
    await Promise.all(silent.map(closed))
    assert.equal(outcomes.filter((outcome) => outcome === 'silent').length, 20)
  })

  test('KF-F23 hellos are answered in their order, a few in each turn of the loop', async () => {
    open({ costMs: 3 })
    const sockets: Socket[] = []
    for (let i = 0; i < 12; i++) sockets.push(await client())
    const perTurn: number[] = []
    let isOver = false
    const watch = (): void => {
      perTurn.push(begun.length)
      if (!isOver) setImmediate(watch)
    }
    setImmediate(watch)
    for (const [i, socket] of sockets.entries()) socket.write(`hello ${i}`)
    await Promise.all(sockets.map(closed))
    isOver = true
    assert.deepEqual([...begun].sort(), sockets.map((_, i) => `hello ${i}`).sort())
    const most = Math.max(...perTurn.map((count, i) => count - (perTurn[i - 1] ?? 0)))
    assert.ok(most <= 2, `${most} of 3 ms each in one turn`)
  })

  test('KF-F23 too many, and too old ones, are cut off at once instead of being answered too late', async () => {
    open({ maxWaiting: 3, costMs: 100 })
    const sockets = await Promise.all(Array.from({ length: 20 }, () => client()))
    for (const socket of sockets) socket.write('hello')
    await Promise.all(sockets.map(closed))
    assert.equal(outcomes.length, 20)
    assert.equal(begun.length, outcomes.filter((outcome) => outcome === 'begun').length)
    assert.ok(gate.waiting === 0)
  })

  test('a client that goes away before its turn costs nothing', async () => {
    open()
    const socket = await client()
    socket.end()
    await closed(socket)
    assert.deepEqual(begun, [])
  })
})
