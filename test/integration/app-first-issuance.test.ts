import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, test } from 'node:test'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { startTestChancery, type TestChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'

let chancery: TestChancery
let target: HttpTarget

before(async () => {
  target = await startHttpTarget({ address: '127.0.0.1' })
  chancery = await startTestChancery({ set: [`validation.http01.port=${target.port}`] })
})

after(async () => {
  await chancery?.stop()
  await target?.close()
})

test('a fresh installation issues a certificate that chains to its root', async () => {
  const client = new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem })
  try {
    assert.equal((await client.newAccount()).status, 201)
    const order = await client.newOrder(['demo.localhost'])
    assert.equal(order.status, 201, order.text)
    const authorization = await client.postAsGet(order.json.authorizations[0])
    const challenge = authorization.json.challenges.find((one: { type: string }) => one.type === 'http-01')
    target.provision(challenge.token, client.keyAuthorization(challenge.token))
    assert.equal((await client.post(challenge.url, {})).status, 200)
    const proved = await client.poll(order.json.authorizations[0])
    assert.equal(proved.json.status, 'valid', proved.text)
    const finalized = await client.post(order.json.finalize, { csr: client.csr(['demo.localhost']).base64url })
    assert.equal(finalized.status, 200, finalized.text)
    const done = await client.poll(order.headers.location ?? '')
    assert.equal(done.json.status, 'valid', done.text)
    const chain = await client.postAsGet(done.json.certificate)
    assert.equal(chain.headers['content-type'], 'application/pem-certificate-chain')

    const [leaf, issuing, ...more] =
      chain.text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? []
    assert.ok(leaf && issuing)
    assert.equal(more.length, 0)
    const root = new X509Certificate(chancery.rootPem)
    const ca = new X509Certificate(issuing)
    const certificate = new X509Certificate(leaf)
    assert.equal(certificate.subjectAltName, 'DNS:demo.localhost')
    assert.ok(
      certificate.verify(ca.publicKey) &&
        ca.verify(root.publicKey) &&
        certificate.checkIssued(ca) &&
        ca.checkIssued(root),
    )
  } finally {
    client.close()
  }
})

test('CQ-D08 the listener sends leaf and issuing CA, and the root is to be had over plain HTTP and from the ACME listener', async () => {
  const client = new AcmeTestClient({ directoryUrl: chancery.urls.directory, ca: chancery.rootPem })
  try {
    const overTls = await client.get(`${chancery.urls.base}/root.pem`)
    assert.equal(overTls.text, chancery.rootPem)
  } finally {
    client.close()
  }
  const overHttp = await fetch(`${chancery.urls.publicHttp}/root.pem`)
  assert.equal(await overHttp.text(), chancery.rootPem)
})

test('what a certificate points to is there: CRL and issuing CA', async () => {
  const [issuer] = [...chancery.running.issuers.values()]
  assert.ok(issuer)
  const crl = await fetch(issuer.crlUrl)
  assert.equal(crl.status, 200)
  assert.equal(crl.headers.get('content-type'), 'application/pkix-crl')
  const maxAge = Number(/max-age=(\d+)/.exec(crl.headers.get('cache-control') ?? '')?.[1])
  assert.ok(maxAge > 0 && maxAge <= 86_400)
  assert.ok(Date.parse(crl.headers.get('last-modified') ?? '') <= Date.now())
  const bytes = Buffer.from(await crl.arrayBuffer())
  assert.equal(bytes[0], 0x30)

  const again = await fetch(issuer.crlUrl, { headers: { 'If-None-Match': crl.headers.get('etag') ?? '' } })
  assert.equal(again.status, 304)
  assert.equal((await again.arrayBuffer()).byteLength, 0)
  const head = await fetch(issuer.crlUrl, { method: 'HEAD' })
  assert.equal(head.headers.get('content-length'), String(bytes.length))

  const ca = await fetch(issuer.caIssuersUrl)
  assert.equal(ca.headers.get('content-type'), 'application/pkix-cert')
  assert.deepEqual(Buffer.from(await ca.arrayBuffer()), issuer.certificate.der)

  const other = issuer.crlUrl.replace(issuer.id, 'ff'.repeat(20))
  assert.equal((await fetch(other)).status, 404)
  const posted = await fetch(issuer.crlUrl, { method: 'POST', body: 'x' })
  assert.equal(posted.status, 405)
  assert.equal(posted.headers.get('allow'), 'GET, HEAD')
})

test('the admin listener has health, readiness and metrics, and nothing else', async () => {
  const { admin } = chancery.urls
  assert.deepEqual(await (await fetch(`${admin}/healthz`)).json(), { status: 'ok' })
  const ready = await fetch(`${admin}/readyz`)
  assert.equal(ready.status, 200)
  assert.deepEqual(await ready.json(), {
    status: 'ok',
    checks: { store: 'ok', clock: 'ok', issuers: 'ok', crl: 'ok', 'issuance-log': 'ok' },
  })
  const metrics = await (await fetch(`${admin}/metrics`)).text()
  assert.match(metrics, /^chancery_certificates_issued_total\{profile="server"\} 1$/m)
  assert.match(metrics, /^chancery_event_loop_delay_seconds\{quantile="0\.99"\} [\d.e-]+$/m)
  assert.equal((await fetch(`${admin}/acme/default/directory`)).status, 404)
})
