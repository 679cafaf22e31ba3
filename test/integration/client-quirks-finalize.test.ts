import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { OID } from '../../src/x509/oids.ts'
import { assertRefused, headerLines, type Journey, startJourney } from '../support/acme-journey.ts'
import { until } from '../support/acme-orders.ts'
import { idIn } from '../support/acme-world.ts'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer } from '../support/edge-server.ts'
import { der, type TestCsrOptions, testExtension } from '../support/test-csr.ts'
import { generateTestKey } from '../support/test-keys.ts'

let journey: Journey
before(async () => {
  journey = await startJourney()
})
after(() => journey?.close())

const dnsName = (value: string) => der(0x82, Buffer.from(value))
const NAMES = ['a.csr.test', 'b.csr.test']

describe('CSRs that clients really send, for an order of two names', () => {
  const accepted: Record<string, TestCsrOptions> = {
    'CQ-F05 a CN with one name and the SAN with the other': {
      commonName: 'a.csr.test',
      generalNames: [dnsName('b.csr.test')],
    },
    'CQ-F06 an empty CN': { commonName: '' },
    'CQ-F06 a CN of free text': { commonName: 'My host' },
    'CQ-F06 a CN that repeats a name': { commonName: 'b.csr.test' },
    'CQ-F08 CQ-O08 names in other order, other case and twice': {
      generalNames: ['B.CSR.test', 'a.csr.test', 'b.csr.test'].map(dnsName),
    },
    'CQ-F07 clientAuth, key usage, must-staple, a Microsoft template and a critical SAN': {
      withoutSan: true,
      extensions: [
        testExtension('0603551d25', Buffer.from('300a06082b06010505070302', 'hex'), true),
        testExtension('0603551d0f', Buffer.from('030205a0', 'hex'), true),
        testExtension('06082b06010505070118', Buffer.from('3003020105', 'hex')),
        testExtension('06092b0601040182371402', Buffer.from('0c03576562', 'hex')),
        testExtension('0603551d11', der(0x30, ...NAMES.map(dnsName)), true),
      ],
    },
  }
  for (const [name, options] of Object.entries(accepted)) {
    test(`${name}: accepted, and the certificate is the same as for anybody`, async () => {
      const client = await journey.registered()
      const placed = await journey.ready(client, NAMES)
      const done = await client.post(placed.finalize, { csr: client.csr(NAMES, options).base64url })
      assert.equal(done.json.status, 'valid', done.text)
      const leaf = parseCertificate(new X509Certificate((await client.postAsGet(done.json.certificate)).text).raw)
      assert.deepEqual(leaf.subjectAltNames.map((one) => ('value' in one ? one.value : one.type)).sort(), NAMES)
      assert.deepEqual(leaf.extendedKeyUsage, [OID.serverAuth])
      assert.deepEqual([...(leaf.keyUsage ?? [])], ['digitalSignature'])
      assert.equal(leaf.extensions.has('1.3.6.1.5.5.7.1.24'), false)
      assert.equal(leaf.extensions.has('1.3.6.1.4.1.311.20.2'), false)
      assert.ok(leaf.authorityKeyId, 'CQ-C05')
    })
  }

  const refused: [name: string, options: TestCsrOptions, detail: RegExp][] = [
    ['CQ-F06 a CN that looks like a name of somebody else', { commonName: 'mail.other.test' }, /"?mail\.other\.test/],
    ['CQ-F08 one name left out', { generalNames: [dnsName('a.csr.test')] }, /b\.csr\.test/],
    ['CQ-F08 one name more', { generalNames: [...NAMES, 'c.csr.test'].map(dnsName) }, /c\.csr\.test/],
    [
      'CQ-F08 an e-mail address',
      { generalNames: [...NAMES.map(dnsName), der(0x81, Buffer.from('root@csr.test'))] },
      /root@csr\.test/,
    ],
    [
      'CQ-F08 a URI',
      { generalNames: [...NAMES.map(dnsName), der(0x86, Buffer.from('spiffe://csr.test/x'))] },
      /spiffe:\/\/csr\.test\/x/,
    ],
    ['CQ-F08 an address', { generalNames: [...NAMES.map(dnsName), der(0x87, Buffer.of(10, 0, 0, 1))] }, /10\.0\.0\.1/],
    ['CQ-F07 a CA', { extensions: [testExtension('0603551d13', Buffer.from('30030101ff', 'hex'), true)] }, /CA/],
    ['CQ-F10 a signature by another key', { signWith: generateTestKey() }, /sign/],
  ]
  for (const [name, options, detail] of refused) {
    test(`${name}: badCSR that names it, with a reference the operator finds; the order stays ready`, async () => {
      const client = await journey.registered()
      const placed = await journey.ready(client, NAMES)
      const reply = await client.post(placed.finalize, { csr: client.csr(NAMES, options).base64url })
      const text = assertRefused(reply, 400, 'badCSR')
      assert.match(text, detail)
      const reference = /\(reference (req_[\w-]{22})\)$/.exec(text)?.[1] ?? ''
      assert.equal((await journey.chancery.store.audit.findByReference(reference, 1)).length, 1)
      assert.equal((await client.postAsGet(placed.url)).json.status, 'ready')
    })
  }

  test('CQ-F05 only a CN and no SAN extension, for an order of that one name', async () => {
    const client = await journey.registered()
    const { leaf } = await journey.issue(client, ['only-cn.test'], { commonName: 'only-cn.test', withoutSan: true })
    assert.equal(leaf.subjectAltName, 'DNS:only-cn.test')
  })

  test('CQ-J03 the CSR may be padded with one or two signs; a padded payload may not', async () => {
    const client = await journey.registered()
    const paddings = new Set<number>()
    for (let length = 1; paddings.size < 3; length++) {
      const name = `${'p'.repeat(length)}.test`
      const csr = client.csr([name]).der
      const padding = (3 - (csr.length % 3)) % 3
      if (paddings.has(padding)) continue
      paddings.add(padding)
      const placed = await journey.ready(client, [name])
      const padded = csr.toString('base64url') + '='.repeat(padding)
      const malformed = await client.post(placed.finalize, '', {
        jws: (jws) => ({ ...jws, payload: `${jws.payload}==` }),
        payloadText: JSON.stringify({ csr: padded }),
      })
      assert.match(assertRefused(malformed, 400, 'malformed'), /base64url without padding/)
      const done = await client.post(placed.finalize, { csr: padded })
      assert.equal(done.json.status, 'valid', `${padding} ${done.text}`)
    }
  })

  test('CQ-J08 the account key used for the CSR is badCSR in those words, and another CSR then works', async () => {
    const client = await journey.registered()
    const placed = await journey.ready(client, ['own-key.test'])
    const reply = await client.post(placed.finalize, {
      csr: client.csr(['own-key.test'], { key: client.key }).base64url,
    })
    assert.match(assertRefused(reply, 400, 'badCSR'), /account key/)
    assert.equal((await client.postAsGet(placed.url)).json.status, 'ready')
    const done = await client.post(placed.finalize, { csr: client.csr(['own-key.test']).base64url })
    assert.equal(done.json.status, 'valid')
  })
})

test('CQ-F03 with a fast signer ten finalizes in a row are never processing', async () => {
  const client = await journey.registered()
  for (let i = 0; i < 10; i++) {
    const { finalized } = await journey.issue(client, ['fast.test'])
    assert.equal(finalized.json.status, 'valid')
    assert.equal(finalized.headers['retry-after'], undefined)
  }
})

describe('with a slow signer', () => {
  let server: EdgeServer
  before(async () => {
    server = await openEdgeServer()
  })
  after(async () => {
    server?.signingKey.open()
    await server?.close()
  })

  test('CQ-F01 CQ-F02 CQ-F04 CQ-F09 finalize answers within 3 s of the clock; 25 repeats before and 25 after the end are the same order', async () => {
    const client = server.client()
    await client.newAccount()
    const order = await client.newOrder(['slow.test'])
    const url = order.headers.location!
    const record = await server.store.accounts.find('default', idIn(client.accountUrl) as never)
    await server.prove({ record: record!, key: client.key }, idIn(order.json.authorizations[0]))
    const csr = client.csr(['slow.test']).base64url
    server.signingKey.close()
    const answer = client.post(order.json.finalize, { csr })
    await until(() => server.signingKey.waiting > 0)
    const startedMs = server.clock.monotonicMs()
    // Polls beside the finalize that is still unanswered: never back to ready.
    for (let i = 0; i < 20; i++) assert.equal((await client.postAsGet(url)).json.status, 'processing')
    await server.clock.advance(2_500)
    const reply = await answer
    assert.ok(server.clock.monotonicMs() - startedMs <= 3_000)
    const repeats = [reply, await client.postAsGet(url)]
    for (let i = 0; i < 25; i++) repeats.push(await client.post(order.json.finalize, { csr }))
    for (const one of repeats) {
      assert.deepEqual([one.status, one.json.status], [200, 'processing'], one.text)
      assert.deepEqual(headerLines(one, 'location'), [url])
      assert.match(headerLines(one, 'retry-after').join(), /^[1-9]\d?$/)
      assert.equal('certificate' in one.json, false)
    }
    const other = client.csr(['slow.test']).base64url
    assertRefused(await client.post(order.json.finalize, { csr: other }), 403, 'orderNotReady')
    server.signingKey.open()
    const done = await client.poll(url)
    assert.equal(done.json.status, 'valid')
    for (let i = 0; i < 25; i++) {
      const again = await client.post(order.json.finalize, { csr })
      assert.deepEqual([again.status, again.text], [200, done.text])
      assert.deepEqual(headerLines(again, 'location'), [url])
      assert.deepEqual(headerLines(again, 'retry-after'), [])
    }
    assertRefused(await client.post(order.json.finalize, { csr: other }), 403, 'orderNotReady')
    assert.equal(server.signingKey.uses, 1)
    assert.equal((await server.store.retention.counts())['certificates'], 1)
  })

  test('CQ-F09 two replicas, one finalizing, one polled in a tight loop: once processing or valid, never ready again', async () => {
    const replica = server.makeListener()
    const { port } = await replica.listen('127.0.0.1', 0)
    const client = server.client()
    const poller = server.client({ key: client.key, connectTo: { host: '127.0.0.1', port } })
    await client.newAccount()
    poller.accountUrl = client.accountUrl
    const order = await client.newOrder(['tight.test'])
    const record = await server.store.accounts.find('default', idIn(client.accountUrl) as never)
    await server.prove({ record: record!, key: client.key }, idIn(order.json.authorizations[0]))
    const csr = client.csr(['tight.test']).base64url
    const seen: string[] = []
    const finalizing = client.post(order.json.finalize, { csr })
    let isAnswered = false
    void finalizing.then(() => {
      isAnswered = true
    })
    for (let polls = 0; seen.at(-1) !== 'valid'; polls++) {
      const wasAnswered = isAnswered
      const { status } = (await poller.postAsGet(order.headers.location!)).json
      if (wasAnswered) assert.notEqual(status, 'ready')
      seen.push(status)
      assert.ok(polls < 500, [...new Set(seen)].join())
    }
    assert.equal((await finalizing).status, 200)
    const sequence = ['ready', 'processing', 'valid']
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => sequence.indexOf(a) - sequence.indexOf(b)),
    )
    poller.close()
    await replica.close()
  })
})
