import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { type FakeDns, startFakeDns } from '../../test/support/fake-dns.ts'
import { type HttpTarget, startHttpTarget, startTcpTarget } from '../../test/support/http-target.ts'
import {
  anOutbound,
  aProbe,
  aResolver,
  dnsHost,
  ipHost,
  KEY_AUTHORIZATION,
  THUMBPRINT,
  TOKEN,
  until,
} from '../../test/support/probe.ts'
import { selfSigned } from '../../test/support/tls-alpn-target.ts'
import { systemClock } from '../lib/clock.ts'
import { subjectAltName } from '../x509/extensions.ts'
import { withDeadline } from './deadline.ts'
import { ValidationFailure } from './failure.ts'
import { proveHttp01 } from './http-01.ts'
import type { Outbound } from './outbound.ts'
import type { Probe } from './probe.ts'
import type { Host } from './target.ts'

const NAME = 'www.corp.test'
const PATH = `/.well-known/acme-challenge/${TOKEN}`

let dns: FakeDns
let web: HttpTarget
let outbound: Outbound
before(async () => {
  dns = await startFakeDns()
  dns.set(NAME, 'A', '127.0.0.1')
})
after(() => dns.close())
beforeEach(async () => {
  web = await startHttpTarget()
  web.provision(TOKEN, KEY_AUTHORIZATION)
  outbound = anOutbound(aResolver([dns.resolver]))
})
afterEach(() => web.close())

async function prove(
  options: { host?: Host; port?: number; probe?: Probe; keyAuthorization?: string; outbound?: Outbound } = {},
): Promise<void> {
  const keyAuthorization = options.keyAuthorization ?? KEY_AUTHORIZATION
  await proveHttp01(
    { host: options.host ?? dnsHost(NAME), token: TOKEN, keyAuthorization },
    { outbound: options.outbound ?? outbound, ownPort: options.port ?? web.port },
    options.probe ?? aProbe(),
  )
}

async function failureOf(attempt: Promise<void>): Promise<ValidationFailure> {
  const error = await attempt.then(
    () => assert.fail('the proof held'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ValidationFailure, String(error))
  return error
}

function answer(status: number, body: string, headers: Record<string, string> = {}): void {
  web.handle((_, response) => {
    response.writeHead(status, headers)
    response.end(body)
  })
}

test('the provisioned key authorization proves control, and the request is as specified (CQ-V08, CQ-V10)', async () => {
  const probe = aProbe()
  await prove({ probe })
  assert.equal(web.requests.length, 1)
  const [request] = web.requests
  assert.equal(request?.method, 'GET')
  assert.equal(request?.url, PATH)
  assert.deepEqual(request?.rawHeaders, [
    'Host',
    NAME,
    'User-Agent',
    'chancery-validation/1',
    'Accept',
    '*/*',
    'Accept-Encoding',
    'identity',
    'Connection',
    'close',
  ])
  assert.deepEqual(probe.evidence.responses, [{ scheme: 'http', host: NAME, status: 200 }])
})

test('KF-A08 only status 200 counts, whatever the body', async () => {
  for (const status of [201, 202, 203, 206, 226, 300, 303, 400, 404, 410, 500, 503]) {
    answer(status, KEY_AUTHORIZATION)
    const failure = await failureOf(prove())
    assert.equal(failure.type, 'unauthorized', String(status))
    assert.match(failure.message, new RegExp(`status ${status}`))
  }
  answer(204, '')
  assert.equal((await failureOf(prove())).type, 'unauthorized')
})

test('KF-A08 a page that echoes the path or holds the key authorization among other text does not validate', async () => {
  const bodies = [
    PATH,
    TOKEN,
    '',
    ' ',
    `x${KEY_AUTHORIZATION}`,
    `${KEY_AUTHORIZATION}x`,
    ` ${KEY_AUTHORIZATION}`,
    `\n${KEY_AUTHORIZATION}`,
    `${KEY_AUTHORIZATION}\n\nx`,
    `<p>${KEY_AUTHORIZATION}</p>`,
    `"${KEY_AUTHORIZATION}"`,
    KEY_AUTHORIZATION.toUpperCase(),
    KEY_AUTHORIZATION.slice(0, -1),
    `${KEY_AUTHORIZATION}\u0000`,
    `${KEY_AUTHORIZATION}\u00a0`,
    `\ufeff${KEY_AUTHORIZATION}`,
    `${KEY_AUTHORIZATION}\n${KEY_AUTHORIZATION}`,
  ]
  for (const body of bodies) {
    answer(200, body)
    assert.equal((await failureOf(prove())).type, 'incorrectResponse', JSON.stringify(body))
  }
})

test('KF-A09 a server that echoes the token with status 200 proves nothing', async () => {
  web.handle((request, response) => response.end(request.url?.split('/').at(-1)))
  assert.equal((await failureOf(prove())).type, 'incorrectResponse')
})

test('KF-A22 the response of another account key for the same token proves nothing', async () => {
  const newKey = `${TOKEN}.${'A'.repeat(43)}`
  assert.notEqual(newKey, KEY_AUTHORIZATION)
  assert.equal((await failureOf(prove({ keyAuthorization: newKey }))).type, 'incorrectResponse')
  assert.ok(
    web.requests.every((request) => !JSON.stringify(request).includes(THUMBPRINT)),
    'KF-A09 never sent',
  )
})

test('CQ-V08 white space at the end and any content type are accepted', async () => {
  for (const end of ['', '\n', '\r\n', ' ', '\t', ' \r\n\t\n', '\n'.repeat(128)]) {
    for (const type of ['text/plain', 'text/html; charset=utf-16', 'application/x-nonsense', '']) {
      answer(200, KEY_AUTHORIZATION + end, type === '' ? {} : { 'Content-Type': type })
      await prove()
    }
  }
  answer(200, KEY_AUTHORIZATION + '\n'.repeat(129))
  await failureOf(prove())
})

test('KF-A10 redirects by 301, 302, 307 and 308 are followed, ten of them and not eleven', async () => {
  const hops = (count: number): void =>
    web.handle((request, response) => {
      const at = Number(request.url?.split('/hop/')[1] ?? 0)
      if (at === count) return void response.end(KEY_AUTHORIZATION)
      response.writeHead([301, 302, 307, 308][at % 4] ?? 301, { Location: `http://${NAME}:${web.port}/hop/${at + 1}` })
      response.end('moved')
    })
  hops(10)
  await prove()
  hops(11)
  assert.match((await failureOf(prove())).message, /more than 10 times/)
})

test('KF-A10 a URL is asked once: a circle of redirects ends at the first repetition', async () => {
  web.handle((request, response) => {
    response.writeHead(302, { Location: request.url === PATH ? '/other' : PATH })
    response.end()
  })
  assert.match((await failureOf(prove())).message, /asked before/)
  assert.equal(web.requests.length, 2)
})

test('KF-A10 303, a page that redirects by meta refresh, and two Locations are not followed', async () => {
  answer(303, '', { Location: '/x' })
  await failureOf(prove())
  answer(200, `<meta http-equiv="refresh" content="0;url=http://${NAME}/x">`)
  await failureOf(prove())
  web.handle((_, response) => {
    response.writeHead(302, ['Location', '/a', 'Location', '/b'])
    response.end()
  })
  await failureOf(prove())
  assert.equal(web.requests.length, 3)
})

test('KF-A11 a redirect to a refused address or to our own listener is not followed, and sees no connection', async () => {
  const secret = await startTcpTarget()
  try {
    dns.set('rebound.test', 'A', '127.0.0.5')
    const guarded = (ownPort: number): Outbound =>
      anOutbound(aResolver([dns.resolver]), {
        allow: ['127.0.0.1/32'],
        ownListeners: [{ address: '127.0.0.1', port: ownPort }],
      })
    const port = web.port
    for (const host of [
      '127.0.0.5',
      '0177.0.0.5',
      '2130706437',
      '[::ffff:127.0.0.5]',
      'rebound.test',
      '169.254.169.254',
    ]) {
      answer(302, '', { Location: `http://${host}:${port}/latest/meta-data` })
      const failure = await failureOf(prove({ outbound: guarded(1) }))
      assert.equal(failure.type, 'connection', host)
      assert.equal(failure.hopeless, true, host)
    }
    // Only the port differs here: the first hop may be reached, the second is a listener of ours.
    web.handle((_, response) => {
      response.writeHead(302, { Location: `http://127.0.0.1:${secret.port}/` })
      response.end()
    })
    assert.match((await failureOf(prove({ outbound: guarded(secret.port) }))).message, /port other than/)
    assert.equal(secret.accepted, 0)
  } finally {
    await secret.close()
  }
})

test('KF-A12 each hop resolves its host once, and the HTTP client never does', async () => {
  web.handle((request, response) => {
    if (request.url === '/next') return void response.end(KEY_AUTHORIZATION)
    response.writeHead(302, { Location: `http://next.test:${web.port}/next` })
    response.end()
  })
  dns.set('next.test', 'A', '127.0.0.1')
  dns.queries.length = 0
  await prove()
  assert.deepEqual(dns.queries.map(({ name, type }) => `${name} ${type}`).sort(), [
    'next.test A',
    'next.test AAAA',
    `${NAME} A`,
    `${NAME} AAAA`,
  ])
  assert.deepEqual(
    web.requests.map(({ headers }) => headers['host']),
    [NAME, 'next.test'],
  )
})

test('KF-A14 nothing of what was fetched is in the failure', async () => {
  const secret = 'AWS_SECRET_ACCESS_KEY=hunter2'
  const holders: (() => void)[] = [
    () => answer(200, secret),
    () => answer(200, `<html>${secret}`),
    () => answer(200, secret.repeat(1000)),
    () => answer(404, secret, { 'X-Secret': secret }),
    () => answer(302, secret, { Location: `ftp://${secret.toLowerCase().replaceAll(/[^a-z0-9]/g, '')}.test/` }),
  ]
  for (const hold of holders) {
    hold()
    const probe = aProbe()
    const failure = await failureOf(prove({ probe }))
    assert.doesNotMatch(failure.message + JSON.stringify(probe.evidence), /hunter2|awssecret/i)
    assert.ok(!failure.message.includes(TOKEN), 'nor the token')
  }
})

test('KF-A15 a body without end is cut off a little beyond the expected length', async () => {
  let sent = 0
  web.handle((_, response) => {
    response.on('error', () => {})
    const pour = (): void => {
      if (response.destroyed) return
      sent += 1024
      if (response.write('x'.repeat(1024))) setImmediate(pour)
      else response.once('drain', pour)
    }
    pour()
  })
  const failure = await failureOf(prove())
  assert.equal(failure.type, 'incorrectResponse')
  assert.match(failure.message, /more than \d+ octets/)
  await until(() => web.open === 0)
  assert.ok(sent < 16 * 1024 * 1024)
  assert.equal(outbound.open, 0)
})

test('KF-A15 hosts that drip, keep silent or break off end with the attempt, and free their place', async () => {
  const behaviours: Record<string, Parameters<typeof startTcpTarget>[0]> = {
    'never answers': () => {},
    'drips the head': (socket) => {
      const timer = setInterval(() => socket.write('H'), 10)
      socket.on('close', () => clearInterval(timer))
    },
    'drips the body': (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n')
      const timer = setInterval(() => socket.write('x'), 10)
      socket.on('close', () => clearInterval(timer))
    },
    'closes at once': (socket) => socket.destroy(),
    'closes within the body': (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
    'speaks no HTTP': (socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'),
    'sends endless headers': (socket) => socket.end(`HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(4000)}`),
    'switches protocols': (socket) =>
      socket.end(`HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n${KEY_AUTHORIZATION}`),
    'sends two lengths': (socket) =>
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 87\r\n\r\n${KEY_AUTHORIZATION}`),
  }
  for (const [what, behaviour] of Object.entries(behaviours)) {
    const host = await startTcpTarget(behaviour)
    try {
      const attempt = withDeadline(systemClock, 150, aProbe().signal, (signal) =>
        prove({ port: host.port, probe: aProbe(signal) }),
      )
      const expected = what === 'switches protocols' ? 'unauthorized' : 'connection'
      assert.equal((await failureOf(attempt)).type, expected, what)
      await until(() => host.open === 0, what)
      assert.equal(outbound.open, 0, what)
    } finally {
      await host.close()
    }
  }
})

test('KF-A15 interim answers without end are cut off without waiting for the limit of the attempt', async () => {
  const host = await startTcpTarget((socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 1)
    socket.on('close', () => clearInterval(timer))
  })
  assert.equal((await failureOf(prove({ port: host.port }))).type, 'connection')
  await until(() => host.open === 0)
  await host.close()
})

test('an answer without length, ended by closing the connection, and one in chunks are read to their end', async () => {
  const chunks = [KEY_AUTHORIZATION.slice(0, 40), KEY_AUTHORIZATION.slice(40)].map(
    (part) => `${part.length.toString(16)}\r\n${part}\r\n`,
  )
  const answers = [
    `HTTP/1.0 200 OK\r\n\r\n${KEY_AUTHORIZATION}\n`,
    `HTTP/1.1 200 OK\r\n\r\n${KEY_AUTHORIZATION}`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join('')}0\r\n\r\n`,
    `HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n${KEY_AUTHORIZATION}`,
  ]
  for (const text of answers) {
    const host = await startTcpTarget((socket) => void socket.once('data', () => socket.end(text)))
    await prove({ port: host.port })
    await host.close()
  }
})

test('a body that is shorter than announced does not validate even when it is the key authorization', async () => {
  const length = KEY_AUTHORIZATION.length + 5
  const host = await startTcpTarget((socket) =>
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${KEY_AUTHORIZATION}`),
  )
  assert.equal((await failureOf(prove({ port: host.port }))).type, 'connection')
  await host.close()
})

test('CQ-V09 a redirect to https with a self-signed certificate is followed, and the certificate is not checked', async () => {
  const certificate = selfSigned([subjectAltName([{ type: 'dns', value: 'unrelated.test' }], false)])
  const secure = await startHttpTarget({ tls: { key: certificate.keyPem, cert: certificate.certPem } })
  secure.provision(TOKEN, KEY_AUTHORIZATION)
  // One port for both, as only the validation port may be redirected to here: TLS begins with octet 0x16.
  const front = await startTcpTarget((socket) => {
    socket.once('data', (head: Buffer) => {
      if (head[0] !== 0x16) {
        socket.end(`HTTP/1.1 301 Moved\r\nLocation: https://${NAME}:${front.port}${PATH}\r\nContent-Length: 0\r\n\r\n`)
        return
      }
      const tunnel = connect(secure.port, '127.0.0.1')
      tunnel.on('error', () => socket.destroy())
      tunnel.write(head)
      socket.pipe(tunnel).pipe(socket)
    })
  })
  const probe = aProbe()
  await prove({ port: front.port, probe })
  assert.deepEqual(probe.evidence.responses, [
    { scheme: 'http', host: NAME, status: 301 },
    { scheme: 'https', host: NAME, status: 200 },
  ])
  await Promise.all([front.close(), secure.close()])
})

test('an https hop that does not speak TLS is a tls failure', async () => {
  answer(301, '', { Location: `https://${NAME}:${web.port}${PATH}` })
  assert.equal((await failureOf(prove())).type, 'tls')
})

test('CQ-V10 Host of an address is the address, IPv6 in brackets, and DNS is not asked (RFC 8738 §4)', async () => {
  dns.queries.length = 0
  await prove({ host: ipHost('127.0.0.1') })
  assert.equal(web.requests[0]?.headers['host'], '127.0.0.1')
  const six = await startHttpTarget({ address: '::1' }).catch(() => undefined)
  if (six !== undefined) {
    six.provision(TOKEN, KEY_AUTHORIZATION)
    await prove({ host: ipHost('::1'), port: six.port })
    assert.equal(six.requests[0]?.headers['host'], '[::1]')
    await six.close()
  }
  assert.equal(dns.queries.length, 0)
})

test('CQ-V11 behind a redirect too, a dead IPv6 address does not hide the IPv4 one', async () => {
  dns.set('dual.test', 'AAAA', '::1')
  dns.set('dual.test', 'A', '127.0.0.1')
  web.handle((request, response) => {
    if (request.url === '/next') return void response.end(KEY_AUTHORIZATION)
    response.writeHead(302, { Location: `http://dual.test:${web.port}/next` })
    response.end()
  })
  await prove()
})
