import assert from 'node:assert/strict'
import { connect as connectPlain } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer } from '../support/edge-server.ts'
import { assertProblem, rawRequests } from '../support/raw-requests.ts'
import { RENEWED_TEST_TLS, TEST_TLS } from '../support/self-signed.ts'

let server: EdgeServer
before(async () => {
  server = await openEdgeServer({
    extraRoutes: [{ path: '/root.pem', get: () => ({ contentType: 'text/plain', body: 'PEM' }) }],
  })
})
after(() => server.close())

const { bare, exchange, post } = rawRequests(() => server)

describe('CQ-T13 Expect: 100-continue', () => {
  const head = (extra: string, length = 2): string =>
    `POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n${extra}\r\n`

  test('gets its 100 before the body, and then the answer', async () => {
    const connection = await server.raw()
    connection.write(head('Content-Type: application/jose+json\r\nExpect: 100-continue\r\n'))
    assert.equal((await connection.response())?.statusLine, 'HTTP/1.1 100 Continue')
    connection.write('{}')
    assert.equal((await connection.response())?.status, 400)
  })

  test('gets no 100 for a body that will be refused, and the connection is closed', async () => {
    for (const text of [
      head('Content-Type: text/plain\r\nExpect: 100-continue\r\n'),
      head('Content-Type: application/jose+json\r\nExpect: 100-continue\r\n', 60_000),
    ]) {
      const connection = await server.raw()
      connection.write(text)
      const response = await connection.response()
      assert.ok([413, 415].includes(response?.status ?? 0), String(response?.status))
      assert.deepEqual(response?.values('Connection'), ['close'])
      await connection.ended()
    }
  })

  test('unasked, no 100 is ever sent', async () => {
    const response = await post('/acme/default/new-order', 'x'.repeat(20_000))
    assert.equal(response.status, 400)
  })

  test('any other expectation is 417', async () => {
    const connection = await server.raw()
    connection.write(head('Content-Type: application/jose+json\r\nExpect: 200-ok\r\n'))
    const response = await connection.response()
    assert.ok(response)
    assertProblem(response, 417)
  })
})

describe('KF-F17 malformed and ambiguous HTTP is refused, and the connection closed', () => {
  const smuggled = 'GET /directory HTTP/1.1\r\nHost: x\r\n\r\n'
  const fixtures: Readonly<Record<string, string>> = {
    'both lengths': `POST /directory HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'two content lengths': `POST /directory HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab${smuggled}`,
    'a list of content lengths': `POST /directory HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na${smuggled}`,
    'a signed length': `POST /directory HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na${smuggled}`,
    'a negative length': `POST /directory HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n${smuggled}`,
    'an unknown transfer coding': `POST /directory HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'chunked not last': `POST /directory HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
    'a bad chunk size': `POST /directory HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n${smuggled}`,
    'a space before the colon': `GET /directory HTTP/1.1\r\nHost : x\r\n\r\n${smuggled}`,
    'a folded header': `GET /directory HTTP/1.1\r\nHost: x\r\nA: b\r\n c: d\r\nContent-Length\r\n: 3\r\n\r\n${smuggled}`,
    'a bare CR in a header': `GET /directory HTTP/1.1\r\nHost: x\r\nA: b\rContent-Length: 5\r\n\r\n${smuggled}`,
    'a NUL in a header': `GET /directory HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n${smuggled}`,
    'no HTTP at all': 'hello\r\n\r\n',
    'a TLS hello inside TLS': '\x16\x03\x01\x00\x05hello\r\n\r\n',
    'HTTP/2 without negotiation': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a version that is none': 'GET /directory HTTP/1.9x\r\nHost: x\r\n\r\n',
    'a header too large': `GET /directory HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(20_000)}\r\n\r\n`,
  }
  for (const [name, text] of Object.entries(fixtures)) {
    test(name, async () => {
      const connection = await server.raw()
      connection.write(Buffer.from(text, 'latin1'))
      const response = await connection.response()
      const rest = await connection.ended()
      if (response !== undefined) {
        assert.ok([400, 431].includes(response.status), response.statusLine)
        assert.deepEqual(response.values('Connection'), ['close'])
        assert.deepEqual(response.values('Content-Type'), ['application/problem+json'])
        assert.equal(JSON.parse(response.body).status, response.status)
      }
      assert.equal(rest.includes('HTTP/1.1 200'), false, 'the smuggled request was answered')
    })
  }

  test('an HTTP/1.1 request without Host, or with two, is 400', async () => {
    assertProblem(await exchange('GET /directory HTTP/1.1\r\n\r\n'), 400)
    assertProblem(await exchange('GET /directory HTTP/1.1\r\nHost: ca.test\r\nhost: evil.test\r\n\r\n'), 400)
  })

  test('the server lives on', async () => {
    assert.equal((await bare('GET', '/directory')).status, 200)
  })
})

describe('connections', () => {
  test('CQ-T02 stay open longer than any pool keeps them idle', async () => {
    const [keepAlive] = (await bare('GET', '/directory')).values('Keep-Alive')
    assert.ok(Number(/timeout=(\d+)/.exec(keepAlive ?? '')?.[1]) > 90, String(keepAlive))
  })

  test('CQ-T02 while draining, the answer under way says close, an idle connection may ask once more, and nobody new is let in', async () => {
    const own = await openEdgeServer()
    const busy = await own.raw()
    const idle = await own.raw()
    idle.write('HEAD /directory HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.deepEqual((await idle.response({ noBody: true }))?.values('Connection'), ['keep-alive'])
    busy.write(
      'POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nContent-Length: 2\r\n\r\n{',
    )
    busy.write('') // The header is on its way; an answer to a later request proves that it arrived.
    idle.write('HEAD /directory HTTP/1.1\r\nHost: x\r\n\r\n')
    await idle.response({ noBody: true })
    const drained = own.listener.drain()
    idle.write('HEAD /directory HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.deepEqual((await idle.response({ noBody: true }))?.values('Connection'), ['close'])
    busy.write('}')
    assert.deepEqual((await busy.response())?.values('Connection'), ['close'])
    await drained
    await assert.rejects(own.raw())
    await own.close()
  })

  test('an idle connection does not keep draining from its end', async () => {
    const own = await openEdgeServer()
    const idle = await own.raw()
    await own.listener.drain()
    await idle.ended()
    await own.close()
  })

  test('KF-E14 closing does not wait for a peer that never finishes its handshake', async () => {
    const own = await openEdgeServer()
    const mute = connectPlain(own.port, '127.0.0.1')
    const ended = new Promise((resolve) => mute.once('close', resolve))
    mute.on('error', () => {})
    await new Promise((resolve) => mute.once('connect', resolve))
    await own.raw()
    await own.close()
    await ended
  })

  test('KF-F02 one address gets no more than its cap; the server goes on serving those it has', async () => {
    const own = await openEdgeServer({ limits: { connectionsPerAddress: 3 } })
    const kept = [await own.raw(), await own.raw(), await own.raw()]
    await assert.rejects(own.raw())
    kept[0]!.write('GET /directory HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.equal((await kept[0]!.response())?.status, 200)
    kept[1]!.close()
    await kept[1]!.ended()
    for (let tries = 0; ; tries++) {
      const opened = await own.raw().catch(() => undefined)
      if (opened !== undefined) break
      assert.ok(tries < 100, 'the place was not given back')
      await new Promise((resolve) => setImmediate(resolve))
    }
    await own.close()
  })

  test('the cap per address can be switched off for a measurement', async () => {
    const own = await openEdgeServer({ limits: { connectionsPerAddress: 1, enabled: false } })
    await own.raw()
    await own.raw()
    await own.close()
  })

  test('KF-F02 two hundred half-sent requests keep nobody else from being served', async () => {
    const slow = await Promise.all(Array.from({ length: 200 }, () => server.raw()))
    for (const connection of slow) connection.write('POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Le')
    assert.equal((await bare('GET', '/directory')).status, 200)
    for (const connection of slow) connection.close()
  })

  test('KF-F16 speak HTTP/1.1 only: h2 is not negotiated', async () => {
    const negotiated = await new Promise((resolve) => {
      const socket = connect(
        { port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] },
        () => {
          resolve(socket.alpnProtocol)
          socket.destroy()
        },
      )
    })
    assert.equal(negotiated, 'http/1.1')
  })

  test('TLS 1.1 and TLS without any common protocol are refused, and KF-F13 odd names in SNI crash nothing', async () => {
    const attempt = (options: object): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
          resolve('connected')
          socket.destroy()
        })
        socket.on('error', () => resolve('refused'))
      })
    assert.equal(
      await attempt({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' }),
      'refused',
    )
    assert.equal(await attempt({ ALPNProtocols: ['h2'] }), 'refused')
    for (const servername of ['__proto__', 'a'.repeat(250), '..', 'xn--', '*']) await attempt({ servername })
    assert.equal(await attempt({}), 'connected')
  })

  test('TLS 1.2 is spoken with forward secrecy and authenticated encryption only, also after a renewal', async () => {
    const own = await openEdgeServer()
    const cipherOf = (ciphers: string): Promise<string> =>
      new Promise((resolve) => {
        const options = { port: own.port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const
        const socket = connect({ ...options, ciphers: `${ciphers}:@SECLEVEL=0` }, () => {
          resolve(socket.getCipher().name)
          socket.destroy()
        })
        socket.on('error', () => resolve('refused'))
      })
    for (const renew of [false, true]) {
      if (renew) own.listener.setSecureContext(RENEWED_TEST_TLS)
      assert.equal(await cipherOf('ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384'), 'refused')
      assert.equal(await cipherOf('AES128-GCM-SHA256:AES256-SHA'), 'refused')
      assert.match(await cipherOf('ECDHE+AESGCM'), /^ECDHE-.*-GCM-/)
      assert.match(await cipherOf('ECDHE+CHACHA20'), /^ECDHE-.*-CHACHA20-/)
    }
    await own.close()
  })

  test('plain HTTP to the TLS port is dropped, and the server lives on', async () => {
    await new Promise<void>((resolve) => {
      const socket = connectPlain(server.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
      socket.on('error', () => resolve())
      socket.on('close', () => resolve())
      socket.resume()
    })
    assert.equal((await bare('GET', '/directory')).status, 200)
  })

  test('a renewed certificate is used for new connections without a restart', async () => {
    const own = await openEdgeServer()
    const fingerprint = async (): Promise<unknown> => (await own.raw()).socket.getPeerCertificate().subject.CN
    assert.equal(await fingerprint(), 'edge test')
    own.listener.setSecureContext(RENEWED_TEST_TLS)
    assert.equal(await fingerprint(), 'edge test, renewed')
    assert.throws(() => own.listener.setSecureContext({ key: TEST_TLS.key, cert: 'nonsense' }))
    assert.equal(await fingerprint(), 'edge test, renewed')
    await own.close()
  })

  test('a client that leaves in the middle of its body harms nothing', async () => {
    const connection = await server.raw()
    connection.write(
      'POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nContent-Length: 100\r\n\r\n{',
    )
    connection.close()
    assert.equal((await bare('GET', '/directory')).status, 200)
  })

  test('requests sent ahead on one connection are answered in their order', async () => {
    const connection = await server.raw()
    connection.write(
      'GET /directory HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\nGET /root.pem HTTP/1.1\r\nHost: x\r\n\r\n',
    )
    assert.deepEqual(
      [
        (await connection.response())?.status,
        (await connection.response())?.status,
        (await connection.response())?.status,
      ],
      [200, 404, 200],
    )
  })
})
