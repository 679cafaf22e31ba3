import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { issueOrder, placeOrder } from '../support/acme-story.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { type SpawnedChancery, spawnChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const SLOW_SOCKETS = 2_000
const REQUEST_SECONDS = 4
const MUTATIONS = 150

let home: string
let target: HttpTarget
let server: SpawnedChancery
let client: AcmeTestClient
const portOf = (url: string): number => Number(new URL(url).port)

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-hostile-'))
  target = await startHttpTarget({ address: '127.0.0.1' })
  server = await spawnChancery({
    home,
    set: [`validation.http01.port=${target.port}`, `limits.requestTimeout=${REQUEST_SECONDS}`, 'validation.attempts=1'],
  })
  client = new AcmeTestClient({ directoryUrl: server.urls.directory, ca: server.rootPem })
  assert.equal((await client.newAccount()).status, 201)
})

after(async () => {
  client?.close()
  await server?.stop('SIGKILL')
  await target?.close()
  await rm(home, { recursive: true, force: true })
})

/** The same process still does its work on every listener. */
async function assertLives(): Promise<void> {
  assert.equal(server.child.exitCode, null, server.stderr())
  assert.equal((await client.get(server.urls.directory)).status, 200)
  assert.equal((await fetch(`${server.urls.publicHttp}/root.pem`)).status, 200)
  assert.deepEqual(await (await fetch(`${server.urls.admin}/healthz`)).json(), { status: 'ok' })
}

async function plainSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

test('KF-F02 two thousand slow sockets on all listeners: others are served meanwhile, and the slow ones are cut off in time', async () => {
  const acme = portOf(server.urls.base)
  const openOne: (() => Promise<Socket>)[] = [
    // Silent before its TLS handshake, half a header inside TLS, half a body, half a header in plain text, silence.
    () => plainSocket(acme),
    async () => slow(acme, 'POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Le'),
    async () =>
      slow(
        acme,
        'POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nContent-Length: 99\r\n\r\n{',
      ),
    async () => {
      const socket = await plainSocket(portOf(server.urls.publicHttp))
      socket.write('GET /root.pem HTTP/1.1\r\nHo')
      return socket
    },
    () => plainSocket(portOf(server.urls.admin)),
  ]
  const sockets: Socket[] = []
  let closed = 0
  for (let done = 0; done < SLOW_SOCKETS; done += 50) {
    const opened = await Promise.all(
      Array.from({ length: 50 }, (_, n) => openOne[n % openOne.length]?.() ?? assert.fail('no such kind')),
    )
    for (const socket of opened) {
      sockets.push(socket)
      socket.resume().once('close', () => closed++)
    }
    // The first are overdue before the last are open, so the service is asked again and again in between.
    if (done % 500 === 0) await assertLives()
  }
  assert.ok(closed < SLOW_SOCKETS, 'nothing was slow')
  const issued = await issueOrder(client, 'served.localhost', target)
  assert.match(issued.pem, /BEGIN CERTIFICATE/)
  // The TLS handshake has ten seconds, a plain silent connection the time of a request.
  const deadline = performance.now() + 20_000
  while (closed < sockets.length && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(closed, sockets.length, 'slow sockets were left open')
  await assertLives()
})

async function slow(port: number, text: string): Promise<Socket> {
  const { socket } = await RawConnection.open(port)
  socket.write(text)
  return socket
}

test('KF-F01 a body of a gigabyte is cut off, on every listener, long before it is over', async () => {
  const head = 'POST /root.pem HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n'
  for (const url of [server.urls.base, server.urls.publicHttp, server.urls.admin]) {
    const socket = url === server.urls.base ? await slow(portOf(url), head) : await plainSocket(portOf(url))
    if (url !== server.urls.base) socket.write(head)
    const closed = new Promise((resolve) => socket.resume().once('close', resolve))
    const chunk = Buffer.alloc(1 << 20)
    let megabytes = 0
    while (!socket.destroyed && socket.writable && megabytes < 1024) {
      megabytes++
      if (!socket.write(chunk)) {
        await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed])
      }
    }
    await closed
    assert.ok(megabytes < 64, `${url} took ${megabytes} MB`)
  }
  await assertLives()
})

/** A ClientHello as OpenSSL makes it, with this name in it. */
async function clientHello(servername: string): Promise<Buffer> {
  const catcher = createServer().listen(0, '127.0.0.1')
  await once(catcher, 'listening')
  const caught = once(catcher, 'connection')
  const tls = connectTls({ port: (catcher.address() as AddressInfo).port, host: '127.0.0.1', servername })
  tls.on('error', () => {})
  const [socket] = (await caught) as [Socket]
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  tls.destroy()
  socket.destroy()
  catcher.close()
  return bytes
}

async function deliver(port: number, bytes: Buffer): Promise<void> {
  const socket = await plainSocket(port)
  const closed = once(socket, 'close')
  socket.resume().end(bytes)
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 1_000).unref())])
  socket.destroy()
}

test('KF-F13 no server name in a ClientHello, however malformed, ends the process', async () => {
  const name = 'name-in-the-hello.test'
  const hello = await clientHello(name)
  const at = hello.indexOf(name)
  assert.ok(at > 0)
  const names = ['\0'.repeat(22), '\xff'.repeat(22), '__proto__'.padEnd(22, '.'), '../'.repeat(8).slice(0, 22)]
  const forged = names.map((text) => {
    const bytes = Buffer.from(hello)
    bytes.write(text, at, 'latin1')
    return bytes
  })
  // Lengths of name, list and extension stand in front of the name, and the type of the name.
  for (const offset of [1, 2, 3, 4, 5, 6, 7]) {
    for (const value of [0, 1, 0x7f, 0xff]) {
      const bytes = Buffer.from(hello)
      bytes[at - offset] = value
      forged.push(bytes)
    }
  }
  const random = new SeededRandom('client-hello')
  for (let n = 0; n < MUTATIONS; n++) {
    const bytes = Buffer.from(hello)
    for (const place of random.bytes(4)) bytes[5 + ((place * 7 + n) % (bytes.length - 5))] = random.bytes(1)[0] ?? 0
    forged.push(bytes)
  }
  for (let n = 0; n < forged.length; n += 20) {
    await Promise.all(forged.slice(n, n + 20).map((bytes) => deliver(portOf(server.urls.base), bytes)))
  }
  await assertLives()
})

test('KF-F13 no header of a request ends the process, on any listener', async () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'then', 'set-cookie', 'host']
  const lines = names.flatMap((name) => [`${name}: a`, `${name}: b`, `${name}:`])
  const head = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`
  for (const url of [server.urls.publicHttp, server.urls.admin]) {
    const socket = await plainSocket(portOf(url))
    const closed = once(socket, 'close')
    socket.resume().write(head('/root.pem'))
    await closed
  }
  const connection = await RawConnection.open(portOf(server.urls.base))
  connection.write(head('/directory'))
  await connection.ended()
  for (const header of ['If-None-Match', 'If-Modified-Since', 'Accept', 'User-Agent']) {
    for (const value of ['', ',', '"', 'W/', '\xff', 'x'.repeat(8_000), '-1', '99999999999999999999']) {
      const socket = await plainSocket(portOf(server.urls.publicHttp))
      const closed = once(socket, 'close')
      socket
        .resume()
        .write(
          Buffer.from(
            `GET /root.pem HTTP/1.1\r\nHost: x\r\n${header}: ${value}\r\nConnection: close\r\n\r\n`,
            'latin1',
          ),
        )
      await closed
    }
  }
  await assertLives()
})

test('KF-F13 a host that is validated cannot end the process by the headers of its answer', async () => {
  const names = ['__proto__', 'constructor', 'toString', 'Location', 'Content-Length', 'Upgrade', 'Trailer']
  const lines = names.flatMap((name) => [`${name}: a`, `${name}: \xffb`])
  for (const [n, extra] of ['__proto__: x', 'constructor: x', lines.join('\r\n')].entries()) {
    for (const status of [200, 302, 101, 100]) {
      target.handle((request) => {
        request.socket.end(Buffer.from(`HTTP/1.1 ${status} OK\r\n${extra}\r\n\r\n`, 'latin1'))
      })
      const placed = await placeOrder(client, `answer-${n}-${status}.localhost`)
      assert.equal((await client.post(placed.challenge.url, {})).status, 200)
      assert.equal((await client.poll(placed.authorizationUrl)).json.status, 'invalid')
    }
  }
  target.handle(undefined)
  await assertLives()
})
