import assert from 'node:assert/strict'
import { createHmac, sign } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { directoryUrls } from '../../src/acme/urls.ts'
import type { AcmeReply, AcmeTestClient, Forge } from '../support/acme-test-client.ts'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer, PUBLIC_URL } from '../support/edge-server.ts'
import type { TestAlgorithm } from '../support/test-keys.ts'
import { generateTestKey } from '../support/test-keys.ts'

const FORMER_URL = 'https://old-ca.test:8443'
const ID = 'A'.repeat(22)
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA']
const urls = directoryUrls(PUBLIC_URL, 'default')

let server: EdgeServer
let client: AcmeTestClient
before(async () => {
  server = await openEdgeServer({ formerPublicUrls: [FORMER_URL], directories: { other: {} } })
  client = server.client()
  assert.equal((await client.newAccount()).status, 201)
})
after(() => server.close())

/** A refusal, which always lets the client go on (CQ-N03, KF-B07). */
function refused(reply: AcmeReply, status: number, type: string): string {
  assert.equal(reply.status, status, reply.text)
  assert.equal(reply.json.type, `urn:ietf:params:acme:error:${type}`, reply.text)
  assert.equal(reply.json.status, status)
  assert.match(String(reply.headers['replay-nonce']), /^[A-Za-z0-9_-]{40}$/)
  return reply.json.detail
}

const read = (forge: Forge = {}) => client.post(client.accountUrl!, '', forge)

describe('CQ-J01 accounts with every algorithm in use', () => {
  for (const algorithm of ALGORITHMS as TestAlgorithm[]) {
    test(`${algorithm} registers, and signs for its account`, async () => {
      const own = server.client({ algorithm })
      assert.equal((await own.newAccount()).status, 201)
      assert.equal((await own.postAsGet(own.accountUrl!)).status, 200)
    })
  }

  test('an RSA key of 4096 bits too', async () => {
    const own = server.client({ key: generateTestKey('RS256', { rsaBits: 4096 }) })
    assert.equal((await own.newAccount()).status, 201)
  })
})

describe('KF-B01 the algorithm', () => {
  test('none, and HS256 with the public key as secret, are refused with the list of those that do', async () => {
    const none = await read({ alg: 'none', signature: () => 'AAAA' })
    refused(none, 400, 'badSignatureAlgorithm')
    assert.deepEqual(none.json.algorithms, ALGORITHMS)
    const secret = client.key.publicKey.export({ format: 'pem', type: 'spki' })
    const mac = await read({
      alg: 'HS256',
      jws: (jws) => ({
        ...jws,
        signature: createHmac('sha256', secret).update(`${jws.protected}.${jws.payload}`).digest('base64url'),
      }),
    })
    refused(mac, 400, 'badSignatureAlgorithm')
    assert.deepEqual(mac.json.algorithms, ALGORITHMS)
  })

  test('is that of the account key: every other one is refused', async () => {
    for (const alg of ALGORITHMS.filter((name) => name !== 'ES256')) {
      const reply = await read({ alg })
      assert.match(refused(reply, 400, 'badSignatureAlgorithm'), /ES256/)
      assert.deepEqual(reply.json.algorithms, ALGORITHMS)
    }
  })

  test('that does not fit a new key is badPublicKey', async () => {
    const key = generateTestKey('ES256')
    refused(await client.post(urls.newAccount, {}, { kid: null, key, jwk: key.jwk, alg: 'RS256' }), 400, 'badPublicKey')
    refused(await client.post(urls.newAccount, {}, { kid: null, key, jwk: key.jwk, alg: 'ES384' }), 400, 'badPublicKey')
  })
})

describe('KF-B02 the form of the JWS', () => {
  const forms: Readonly<Record<string, Forge['jws']>> = {
    'general serialization': ({ protected: header, payload, signature }) => ({
      payload,
      signatures: [{ protected: header, signature }],
    }),
    'an unprotected header': (jws) => ({ ...jws, header: {} }),
    'a detached payload': ({ protected: header, signature }) => ({ protected: header, signature }),
    'a null payload': (jws) => ({ ...jws, payload: null }),
    'no signature': ({ protected: header, payload }) => ({ protected: header, payload }),
    'an empty signature': (jws) => ({ ...jws, signature: '' }),
    'a padded signature': (jws) => ({ ...jws, signature: `${jws.signature}==` }),
    'a padded header': (jws) => ({ ...jws, protected: `${jws.protected}=` }),
    'an array': (jws) => [jws],
    'a further member': (jws) => ({ ...jws, x: 1 }),
  }
  for (const [name, jws] of Object.entries(forms)) {
    test(`${name} is malformed`, async () => {
      refused(await read({ jws: jws! }), 400, 'malformed')
    })
  }

  test('CQ-J05 a padded or otherwise encoded payload is malformed, and the detail says why', async () => {
    assert.match(
      refused(await read({ jws: (jws) => ({ ...jws, payload: 'e30=' }) }), 400, 'malformed'),
      /base64url without padding/,
    )
  })

  test('compact serialization, an empty body, broken JSON and broken UTF-8 are malformed', async () => {
    for (const body of [
      '',
      'a.b.c',
      '"a.b.c"',
      '{',
      '{"protected":"e30","payload":"","payload":"","signature":"AA"}',
      Buffer.from([0x7b, 0xff, 0x7d]),
    ]) {
      refused(await read({ body }), 400, 'malformed')
    }
  })

  test('KF-B04 a body of 20,000 nested arrays is malformed', async () => {
    refused(await read({ body: '['.repeat(20_000) }), 400, 'malformed')
    refused(await read({ payloadText: `{"contact":${'['.repeat(9)}${']'.repeat(9)}}` }), 400, 'malformed')
    refused(await read({ payloadText: '{"contact":[],"contact":[]}' }), 400, 'malformed')
  })
})

test('KF-B03 crit, b64, zip, enc, p2c and unknown header members are malformed', async () => {
  const members = {
    crit: ['exp'],
    b64: false,
    zip: 'DEF',
    enc: 'A128GCM',
    p2c: 1e9,
    p2s: 'AA',
    x5u: 'http://127.0.0.1/',
    jku: 'http://127.0.0.1/',
    exp: 1,
  }
  for (const [name, value] of Object.entries(members)) {
    assert.ok(refused(await read({ header: { [name]: value } }), 400, 'malformed').includes(name))
  }
  refused(await read({ header: { crit: ['b64'], b64: false } }), 400, 'malformed')
})

test('KF-F12 __proto__, constructor and toString in header and payload pollute nothing', async () => {
  const header = `{"alg":"ES256","kid":"${client.accountUrl}","url":"${client.accountUrl}","nonce":"${await client.newNonce()}","__proto__":{"polluted":1}}`
  refused(await read({ headerText: header }), 400, 'malformed')
  const reply = await read({
    payloadText: '{"__proto__":{"status":"deactivated"},"constructor":{"prototype":{"polluted":1}},"toString":1}',
  })
  assert.equal(reply.status, 200, reply.text)
  assert.equal(reply.json.status, 'valid')
  assert.equal('polluted' in {}, false)
})

describe('KF-B05 the url', () => {
  test('must be the URL of the request: a request for one endpoint is worth nothing at another', async () => {
    const body = await client.sign(urls.newOrder, { identifiers: [{ type: 'dns', value: 'a.test' }] })
    refused(await client.post(urls.newAuthz, '', { body }), 403, 'unauthorized')
  })

  test('is compared as text: no default port, no case, no slash, no query, no fragment, no encoding', async () => {
    const url = client.accountUrl!
    const path = url.slice(PUBLIC_URL.length)
    const others = [
      `${PUBLIC_URL}:443${path}`,
      `HTTPS://ca.test${path}`,
      `https://CA.test${path}`,
      `${url}/`,
      `${url}?`,
      `${url}#x`,
      `${PUBLIC_URL}//${path.slice(1)}`,
      path,
      '',
      `https://user@ca.test${path}`,
      `http://ca.test${path}`,
      `${PUBLIC_URL}.evil.test${path}`,
      url.replace('/acme/', '/%61cme/'),
      `https://evil.test${path}`,
      ` ${url}`,
    ]
    for (const other of others)
      assert.match(refused(await read({ url: other }), 403, 'unauthorized'), /https:\/\/ca\.test/, other)
  })

  test('CQ-D05 has nothing to do with Host', async () => {
    const url = client.accountUrl!
    const body = await client.sign(url, '')
    const reply = await client.request('POST', url, {
      body,
      headers: { Host: 'evil.test', 'Content-Type': 'application/jose+json' },
    })
    assert.equal(reply.status, 200)
    const forged = await client.sign(url.replace('ca.test', 'evil.test'), '')
    refused(
      await client.request('POST', url, {
        body: forged,
        headers: { Host: 'evil.test', 'Content-Type': 'application/jose+json' },
      }),
      403,
      'unauthorized',
    )
  })

  test('includes the query', async () => {
    const orders = (await read()).json.orders
    refused(await client.post(`${orders}?cursor=abc`, '', { url: orders }), 403, 'unauthorized')
    refused(await client.post(orders, '', { url: `${orders}?cursor=abc` }), 403, 'unauthorized')
  })

  test('missing or not text is malformed', async () => {
    refused(await read({ url: null }), 400, 'malformed')
    refused(await read({ url: 5 }), 400, 'malformed')
  })
})

test('CQ-D06 an account made under a former public URL goes on, gets current URLs, and a third base is told which one is expected', async () => {
  const former = client.accountUrl!.replace(PUBLIC_URL, FORMER_URL)
  assert.equal((await read({ kid: former })).status, 200)
  const both = await client.post(client.accountUrl!, '', { kid: former, url: former })
  assert.equal(both.status, 200)
  assert.ok(both.json.orders.startsWith(PUBLIC_URL))
  const order = await client.post(
    urls.newOrder,
    { identifiers: [{ type: 'dns', value: 'former.test' }] },
    { kid: former },
  )
  assert.equal(order.status, 201, order.text)
  assert.ok(order.headers.location!.startsWith(PUBLIC_URL))
  assert.match(
    refused(await read({ url: `https://third.test${new URL(former).pathname}` }), 403, 'unauthorized'),
    /https:\/\/ca\.test/,
  )
  assert.match(
    refused(await read({ kid: former.replace('old-ca', 'third') }), 400, 'accountDoesNotExist'),
    /https:\/\/ca\.test/,
  )
})

describe('KF-B08 who signs', () => {
  const endpoints = {
    account: [
      'new-nonce',
      'directory',
      `account/acc_${ID}`,
      `account/acc_${ID}/orders`,
      'key-change',
      'new-order',
      `order/ord_${ID}`,
      `order/ord_${ID}/finalize`,
      'new-authz',
      `authz/azr_${ID}`,
      `challenge/chl_${ID}`,
      'certificate/0a0b',
      'certificate/0a0b/1',
    ],
  }
  for (const path of endpoints.account) {
    const url = `${PUBLIC_URL}/acme/default/${path}`
    test(`${path} takes no jwk, and no kid that is not ours; CQ-A04 CQ-D07 those are accountDoesNotExist`, async () => {
      assert.match(refused(await client.post(url, '', { kid: null }), 400, 'malformed'), /"kid"/)
      const id = client.accountUrl!.slice(client.accountUrl!.lastIndexOf('/') + 1)
      const foreign = [
        '',
        id,
        `/acme/default/account/${id}`,
        `https://evil.test/acme/default/account/${id}`,
        `${client.accountUrl}/`,
        `${client.accountUrl} `,
        `${PUBLIC_URL}/acme/other/account/${id}`,
        urls.account(`acc_${ID}`),
        urls.account(''),
        urls.account('../x'),
        client.accountUrl!.toUpperCase(),
      ]
      for (const kid of foreign) refused(await client.post(url, '', { kid }), 400, 'accountDoesNotExist')
    })
  }

  test('newAccount takes no kid', async () => {
    assert.match(
      refused(await client.post(urls.newAccount, {}, { kid: client.accountUrl! }), 400, 'malformed'),
      /"jwk"/,
    )
  })

  test('revokeCert takes either, and judges what it was given', async () => {
    const payload = { certificate: 'AAAA' }
    refused(await client.post(urls.revokeCert, payload), 400, 'malformed')
    refused(await client.post(urls.revokeCert, payload, { kid: null }), 400, 'malformed')
    refused(await client.post(urls.revokeCert, payload, { kid: urls.account(`acc_${ID}`) }), 400, 'accountDoesNotExist')
  })

  test('both jwk and kid, or neither, are malformed', async () => {
    refused(await read({ kid: client.accountUrl!, jwk: client.key.jwk }), 400, 'malformed')
    refused(await read({ kid: null, jwk: null }), 400, 'malformed')
  })

  test('an account of another directory is unknown here', async () => {
    const stranger = server.client({ directory: 'other' })
    assert.equal((await stranger.newAccount()).status, 201)
    const url = urls.newOrder
    refused(await stranger.post(url, { identifiers: [] }), 400, 'accountDoesNotExist')
    const id = stranger.accountUrl!.slice(stranger.accountUrl!.lastIndexOf('/') + 1)
    refused(await stranger.post(url, { identifiers: [] }, { kid: urls.account(id) }), 400, 'accountDoesNotExist')
  })

  test('another key than that of the account is refused, whatever else is right', async () => {
    refused(await read({ key: generateTestKey('ES256') }), 400, 'malformed')
  })
})

describe('KF-B22 CQ-J02 signatures', () => {
  test('of 62, 63 or 65 octets, in DER, or with a flipped bit are cleanly malformed', async () => {
    assert.match(refused(await read({ signature: (good) => good.subarray(1) }), 400, 'malformed'), /64 octets/)
    assert.match(refused(await read({ signature: (good) => good.subarray(2) }), 400, 'malformed'), /64 octets/)
    refused(await read({ signature: (good) => Buffer.concat([good, Buffer.alloc(1)]) }), 400, 'malformed')
    refused(await read({ signature: () => sign('sha256', Buffer.from('x'), client.key.privateKey) }), 400, 'malformed')
    const flipped = await read({
      signature: (good) => Buffer.concat([good.subarray(0, 63), Buffer.from([good[63]! ^ 1])]),
    })
    assert.match(refused(flipped, 400, 'malformed'), /does not verify/)
  })

  test('over another payload are refused', async () => {
    refused(
      await read({ jws: (jws) => ({ ...jws, payload: Buffer.from('{}').toString('base64url') }) }),
      400,
      'malformed',
    )
  })
})

describe('the payload', () => {
  test('is an object, or nothing at all', async () => {
    for (const payloadText of ['[]', 'null', '"x"', '1', 'true', ' ', '{', '{}{}', '\ufeff{}'])
      refused(await read({ payloadText }), 400, 'malformed')
    assert.equal((await read({ payloadText: '{}' })).status, 200)
  })

  test('in anything but UTF-8 is malformed', async () => {
    const payload = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]).toString('base64url')
    const body = JSON.parse(await client.sign(client.accountUrl!, ''))
    refused(await read({ body: JSON.stringify({ ...body, payload }) }), 400, 'malformed')
  })
})

test('RFC 8555 §6.3 directory and newNonce are also read by POST-as-GET, at every path of the directory', async () => {
  for (const url of [urls.directory, `${PUBLIC_URL}/directory`, `${PUBLIC_URL}/acme/directory`]) {
    const reply = await client.postAsGet(url)
    assert.equal(reply.status, 200)
    assert.equal(reply.json.newOrder, urls.newOrder)
  }
  assert.equal((await client.postAsGet(urls.newNonce)).status, 204)
  refused(await client.post(urls.newNonce, {}), 400, 'malformed')
})

test('CQ-T08 CQ-T09 bodies are compact JSON without escaped slashes, nulls or empty objects', async () => {
  for (const reply of [
    await client.get(urls.directory),
    await read(),
    await client.post(urls.newOrder, { identifiers: [{ type: 'dns', value: 'b.test' }] }),
  ]) {
    assert.equal(reply.text, JSON.stringify(reply.json))
    assert.equal(/null|\\\/|\{\}/.test(reply.text), false, reply.text)
  }
})

test('KF-F03 an order of 101 names is refused, and stores nothing', async () => {
  const orders = (await server.store.retention.counts())['orders']
  const identifiers = Array.from({ length: 101 }, (_, i) => ({ type: 'dns', value: `n${i}.test` }))
  assert.equal((await client.post(urls.newOrder, { identifiers })).status, 400)
  assert.equal((await server.store.retention.counts())['orders'], orders)
})

test('KF-F20 hostile header values and bodies are logged as bounded text, and secrets not at all', async () => {
  server.log.lines.length = 0
  const hostile = `evil\u001b[31m${'x'.repeat(5000)}`
  await client.request('POST', urls.newOrder, {
    body: '{}',
    headers: { 'User-Agent': hostile.replace('\u001b', ''), 'Content-Type': 'application/jose+json' },
  })
  await client.get(`${PUBLIC_URL}/${'y'.repeat(5000)}`)
  const nonce = await client.newNonce()
  const body = await client.sign(client.accountUrl!, '', { nonce })
  await read({ body })
  const lines = server.log.lines.map((line) => JSON.stringify(line))
  assert.ok(lines.length >= 3)
  for (const line of lines) {
    assert.ok(line.length < 1500, `${line.length}`)
    assert.equal(line.includes(nonce), false)
    assert.equal(line.includes(JSON.parse(body).signature), false)
  }
  const [first] = server.log.of('acme.request')
  assert.match(String(first?.['requestId']), /^req_/)
  assert.equal(first?.['problem'], 'malformed')
})

test('every refusal names the reference under which the operator finds it', async () => {
  server.log.lines.length = 0
  const detail = refused(await read({ kid: urls.account(`acc_${ID}`) }), 400, 'accountDoesNotExist')
  const reference = /\(reference (req_[A-Za-z0-9_-]{22})\)$/.exec(detail)?.[1]
  assert.equal(server.log.of('acme.request').at(-1)?.['requestId'], reference)
})
