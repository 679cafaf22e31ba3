import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer, PUBLIC_URL } from '../support/edge-server.ts'
import { assertAcmeHeaders, assertProblem, rawRequests } from '../support/raw-requests.ts'

const ID = 'A'.repeat(22)
/** Every path of a directory, with ids that do not exist. */
const PATHS = [
  '/directory',
  '/acme/directory',
  '/acme/default/directory',
  '/acme/default/new-nonce',
  '/acme/default/new-account',
  `/acme/default/account/acc_${ID}`,
  `/acme/default/account/acc_${ID}/orders`,
  '/acme/default/key-change',
  '/acme/default/new-order',
  `/acme/default/order/ord_${ID}`,
  `/acme/default/order/ord_${ID}/finalize`,
  '/acme/default/new-authz',
  `/acme/default/authz/azr_${ID}`,
  `/acme/default/challenge/chl_${ID}`,
  '/acme/default/certificate/0a0b',
  '/acme/default/certificate/0a0b/1',
  '/acme/default/revoke-cert',
]
const READABLE = ['/directory', '/acme/directory', '/acme/default/directory', '/acme/default/new-nonce']

let server: EdgeServer
before(async () => {
  server = await openEdgeServer({
    extraRoutes: [
      { path: '/root.pem', get: () => ({ contentType: 'application/x-pem-file', body: 'PEM' }) },
      {
        path: '/broken',
        get: () => {
          throw new Error('secret inner state')
        },
      },
      { path: '/.well-known/test', get: () => ({ contentType: 'text/plain', body: 'ok' }) },
    ],
  })
})
after(() => server.close())

const { bare, exchange, post } = rawRequests(() => server)

describe('on every path', () => {
  for (const path of PATHS) {
    const isDirectory = path.endsWith('/directory')

    test(`CQ-T01 CQ-T11 CQ-N03 CQ-T07 a POST of nonsense to ${path} gets a problem with a nonce, spelled as the RFC spells it`, async () => {
      const response = await post(path, '{"no":"jws"}')
      assertProblem(response, 400)
      assertAcmeHeaders(response, isDirectory)
    })

    test(`CQ-N04 CQ-C07 KF-F19 GET and HEAD of ${path} carry a nonce, and are 405 unless the RFC allows them`, async () => {
      const get = await bare('GET', path)
      const head = await bare('HEAD', path)
      assertAcmeHeaders(get, isDirectory)
      assertAcmeHeaders(head, isDirectory)
      if (READABLE.includes(path)) {
        assert.ok([200, 204].includes(get.status))
        assert.equal(head.status, 200)
        return
      }
      assert.match(assertProblem(get, 405).detail, /POST-as-GET/)
      assert.deepEqual(get.values('Allow'), ['POST, OPTIONS'])
      assert.equal(head.status, 405)
    })

    test(`CQ-N03 other methods on ${path} are 405 with Allow and a nonce`, async () => {
      for (const method of ['PUT', 'DELETE', 'PATCH', 'PROPFIND', 'TRACE', 'QUERY']) {
        const response = await bare(method, path)
        assertProblem(response, 405)
        assertAcmeHeaders(response, isDirectory)
        assert.equal(response.values('Allow').length, 1)
      }
    })

    test(`a browser's preflight for ${path} is answered with 204`, async () => {
      const response = await bare('OPTIONS', path, ['Origin: https://app.test', 'Access-Control-Request-Method: POST'])
      assert.equal(response.status, 204)
      assert.deepEqual(response.values('Access-Control-Allow-Headers'), ['Content-Type'])
      assert.match(response.values('Access-Control-Allow-Methods')[0]!, /POST/)
      assert.deepEqual(response.values('Access-Control-Max-Age'), ['86400'])
    })
  }
})

test('CQ-T01 CQ-T12 on the wire each header has its canonical spelling and each link its own line', async () => {
  const client = server.client()
  const reply = await client.newAccount({ contact: [] })
  assert.equal(reply.status, 201)
  const names = reply.rawHeaders.filter((_, index) => index % 2 === 0)
  for (const name of ['Replay-Nonce', 'Location', 'Link', 'Cache-Control', 'Content-Type', 'Content-Length']) {
    assert.equal(names.filter((candidate) => candidate === name).length, 1, name)
  }
  assert.deepEqual(
    names.filter((name) => name !== name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())),
    [],
  )
})

test('CQ-T04 media types go out without parameters', async () => {
  assert.deepEqual((await bare('GET', '/directory')).values('Content-Type'), ['application/json'])
  assert.deepEqual((await bare('GET', '/nowhere')).values('Content-Type'), ['application/problem+json'])
})

test('CQ-T06 newNonce is 204 to GET and 200 to HEAD, without a body', async () => {
  const get = await bare('GET', '/acme/default/new-nonce')
  assert.equal(get.status, 204)
  assert.equal(get.body, '')
  assert.deepEqual(get.values('Content-Length'), [])
  assert.equal((await bare('HEAD', '/acme/default/new-nonce')).status, 200)
})

test('CQ-T03 neither User-Agent nor Accept is needed, and a foreign Accept is no obstacle', async () => {
  assert.equal((await bare('GET', '/directory')).status, 200)
  assert.equal((await bare('GET', '/directory', ['Accept: text/html;q=0.1'])).status, 200)
})

describe('CQ-T05 the media type of a POST', () => {
  const accepted = [
    'application/jose+json',
    'application/jose+json; charset=utf-8',
    'Application/JOSE+JSON',
    'application/jose+json ;charset="x"',
  ]
  const refused = [
    'application/json',
    'text/plain',
    'application/jose',
    'application/jose+json, text/plain',
    'multipart/form-data',
    'nonsense',
    '',
  ]
  for (const type of accepted) {
    test(`"${type}" is read`, async () => {
      const response = await post('/acme/default/new-order', '{}', [`Content-Type: ${type}`])
      assert.match(assertProblem(response, 400).detail, /protected/)
    })
  }
  for (const type of refused) {
    test(`"${type}" is 415 with a nonce, and the detail names the right type`, async () => {
      const response = await post('/acme/default/new-order', '{}', type === '' ? [] : [`Content-Type: ${type}`])
      assert.match(assertProblem(response, 415).detail, /application\/jose\+json/)
      assertAcmeHeaders(response)
    })
  }
})

describe('KF-F01 bodies', () => {
  const over = 'x'.repeat(50_001)

  test('of 50,000 bytes are read, and of 50,001 are 413 with a nonce', async () => {
    assertProblem(await post('/acme/default/new-order', 'x'.repeat(50_000)), 400)
    const response = await post('/acme/default/new-order', over)
    assert.match(assertProblem(response, 413).detail, /50000 bytes/)
    assertAcmeHeaders(response)
  })

  test('that are too long leave the connection usable when the rest is worth reading', async () => {
    const connection = await server.raw()
    connection.write(
      `POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nContent-Length: ${over.length}\r\n\r\n${over}`,
    )
    assert.equal((await connection.response())?.status, 413)
    connection.write('HEAD /acme/default/new-nonce HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.equal((await connection.response({ noBody: true }))?.status, 200)
  })

  test('announced as a gigabyte are refused at once, and the connection is closed', async () => {
    const connection = await server.raw()
    connection.write(
      'POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nContent-Length: 1073741824\r\n\r\nx',
    )
    const response = await connection.response()
    assert.ok(response)
    assertProblem(response, 413)
    assert.deepEqual(response.values('Connection'), ['close'])
    await connection.ended()
  })

  test('without an announced length are cut off at the limit', async () => {
    const connection = await server.raw()
    connection.write(
      'POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    for (let i = 0; i < 6; i++) connection.write(`2710\r\n${'x'.repeat(10_000)}\r\n`)
    const response = await connection.response()
    assert.ok(response)
    assertProblem(response, 413)
    assert.deepEqual(response.values('Connection'), ['close'])
    await connection.ended()
  })

  test('in chunks within the limit are read', async () => {
    const text = '2\r\n{"\r\n3\r\na":\r\n2\r\n1}\r\n0\r\n\r\n'
    const response = await exchange(
      `POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nTransfer-Encoding: chunked\r\n\r\n${text}`,
    )
    assert.match(assertProblem(response, 400).detail, /members beside/)
  })

  test('with a content coding are 415 with a nonce', async () => {
    for (const coding of ['gzip', 'br', 'deflate', 'gzip, identity', 'x']) {
      const response = await post('/acme/default/new-order', '{}', [
        'Content-Type: application/jose+json',
        `Content-Encoding: ${coding}`,
      ])
      assert.match(assertProblem(response, 415).detail, /Content-Encoding/)
      assertAcmeHeaders(response)
    }
  })

  test('of a GET are ignored', async () => {
    assert.equal((await bare('GET', '/directory', ['Content-Length: 3', '', 'abc'])).status, 200)
  })

  test('KF-F02 CQ-T02 that never end, headers that never end and silence are cut off in time, but not a connection that is idle between requests', async () => {
    const strict = await openEdgeServer({ limits: { requestTimeout: 1 } })
    try {
      const [body, header, silent] = [await strict.raw(), await strict.raw(), await strict.raw()]
      const idle = await strict.raw()
      idle.write('HEAD /directory HTTP/1.1\r\nHost: x\r\n\r\n')
      assert.equal((await idle.response({ noBody: true }))?.status, 200)
      body.write(
        'POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nContent-Length: 100\r\n\r\n{',
      )
      header.write('POST /acme/default/new-order HTTP/1.1\r\nHost: x\r\nContent-Le')
      assert.equal((await strict.client().get(`${PUBLIC_URL}/directory`)).status, 200)
      for (const connection of [body, header, silent]) {
        const response = await connection.response()
        if (connection !== silent) assert.equal(response?.status, 408)
        await connection.ended()
      }
      idle.write('HEAD /directory HTTP/1.1\r\nHost: x\r\n\r\n')
      assert.equal((await idle.response({ noBody: true }))?.status, 200)
    } finally {
      await strict.close()
    }
  })
})

describe('KF-F19 a path in any other spelling is 404, with a nonce', () => {
  const paths = [
    '/',
    '/acme',
    '/acme/',
    '/acme/default',
    '/directory/',
    '//directory',
    '/./directory',
    '/acme/../directory',
    '/acme/default/../../directory',
    '/%64irectory',
    '/acme/default/%6eew-nonce',
    '/acme%2fdirectory',
    '/acme/default//directory',
    '/acme/default/directory/',
    '/ACME/default/directory',
    '/Directory',
    '/acme/default/directory;x',
    '/acme/other/directory',
    '/acme/default/order',
    '/acme/default/order/',
    '/acme/default/order/a/b',
    `/acme/default/order/${'a'.repeat(300)}`,
    '/%',
    '/%zz',
    '/%00',
    '/acme/default/order/%2e%2e',
    '/root.pem/',
    '/%72oot.pem',
    '/favicon.ico',
    '/.git/config',
    '/.well-known/acme-challenge/x',
  ]
  for (const path of paths) {
    test(path.slice(0, 60), async () => {
      const get = await bare('GET', path)
      assertProblem(get, 404)
      assertAcmeHeaders(get)
      const posted = await post(path, '{}')
      assertProblem(posted, 404)
      assertAcmeHeaders(posted)
    })
  }

  test('the index link of a 404 leads to the directory the client was in', async () => {
    const other = await openEdgeServer({ directories: { other: {} } })
    try {
      const reply = await other.client().get(`${PUBLIC_URL}/acme/other/nowhere`)
      assert.equal(reply.headers.link, `<${PUBLIC_URL}/acme/other/directory>;rel="index"`)
    } finally {
      await other.close()
    }
  })
})

test('CQ-D04 /directory, /acme/directory and the named path answer with the same bytes', async () => {
  const bodies = await Promise.all(
    ['/directory', '/acme/directory', '/acme/default/directory'].map((path) => bare('GET', path)),
  )
  assert.equal(new Set(bodies.map(({ body }) => body)).size, 1)
})

test('CQ-D05 KF-F18 forged Host, X-Forwarded and absolute-form headers change no URL', async () => {
  const plain = await bare('GET', '/directory')
  const forged = [
    'GET /directory HTTP/1.1\r\nHost: evil.test:444\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: http\r\nForwarded: host=evil.test\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n',
    'GET https://evil.test/directory HTTP/1.1\r\nHost: ca.test\r\n\r\n',
    'GET /directory HTTP/1.0\r\n\r\n',
  ]
  for (const text of forged) {
    const response = await exchange(text)
    assert.equal(response.status, 200)
    assert.equal(response.body, plain.body)
  }
})

test('CQ-T14 every URL of the directory has one origin, the configured one', async () => {
  const document = JSON.parse((await bare('GET', '/directory')).body)
  for (const [name, url] of Object.entries(document))
    if (name !== 'meta') assert.ok(String(url).startsWith(`${PUBLIC_URL}/acme/default/`))
})

test('KF-F13 header names such as __proto__ crash nothing', async () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    assert.equal((await bare('GET', '/directory', [`${name}: x`, `${name}: y`])).status, 200)
    assertProblem(
      await post('/acme/default/new-order', '{}', ['Content-Type: application/jose+json', `${name}: x`]),
      400,
    )
  }
})

describe('plain resources beside ACME', () => {
  test('are read by GET and HEAD only', async () => {
    const get = await bare('GET', '/root.pem')
    assert.equal(get.body, 'PEM')
    assert.deepEqual(get.values('Content-Type'), ['application/x-pem-file'])
    assert.equal((await bare('HEAD', '/root.pem')).status, 200)
    const posted = await post('/root.pem', '{}')
    assert.equal(posted.status, 405)
    assert.deepEqual(posted.values('Allow'), ['GET, HEAD'])
    assert.equal(JSON.parse(posted.body).type, 'about:blank')
  })

  test('KF-F21 that fail tell nothing of why', async () => {
    const response = await bare('GET', '/broken')
    assert.equal(response.status, 500)
    assert.equal(response.body.includes('secret'), false)
    assert.ok(server.log.lines.some((line) => line.event === 'http.request_failed'))
  })

  test('KF-A29 under /.well-known/ have no exemption from the rules of paths and methods', async () => {
    assert.equal((await bare('GET', '/.well-known/test')).status, 200)
    assert.equal((await bare('PUT', '/.well-known/test')).status, 405)
    assert.equal((await bare('GET', '/.well-known//test')).status, 404)
    assert.equal((await bare('GET', '/.well-known/../.well-known/test')).status, 404)
  })
})
