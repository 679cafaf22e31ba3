import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderCertificateId } from '../../src/acme/renewal/certificate-id.ts'
import { idIn } from '../support/acme-world.ts'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer } from '../support/edge-server.ts'
import { generateTestKey } from '../support/test-keys.ts'

/** A whole issuance over HTTPS; the proof is given in the store. */
async function issue(server: EdgeServer, key = generateTestKey()): Promise<{ url: string; pem: string }> {
  const client = server.client()
  await client.newAccount()
  const order = await client.newOrder(['get.test'])
  const record = await server.store.accounts.find('default', idIn(client.accountUrl) as never)
  await server.prove({ record: record!, key: client.key }, idIn(order.json.authorizations[0]))
  const done = await client.post(order.json.finalize, { csr: client.csr(['get.test'], { key }).base64url })
  assert.equal(done.json.status, 'valid', done.text)
  const certificate = await client.postAsGet(done.json.certificate)
  assert.equal(certificate.status, 200)
  assert.equal(certificate.headers['content-type'], 'application/pem-certificate-chain')
  return { url: done.json.certificate, pem: certificate.text }
}

test('CQ-C07 a certificate is not read by GET unless the operator allows it', async () => {
  const server = await openEdgeServer()
  try {
    const { url } = await issue(server)
    const reply = await server.client().get(url)
    assert.equal(reply.status, 405)
    assert.equal(reply.headers.allow, 'POST, OPTIONS')
    assert.match(reply.json.detail, /POST-as-GET/)
  } finally {
    await server.close()
  }
})

test('CQ-C07 CQ-T04 where it is allowed, GET gives the same bytes and media type, in this directory only, and 404 for what does not exist', async () => {
  const server = await openEdgeServer({ settings: { allowCertificateGet: true }, directories: { other: {} } })
  try {
    const { url, pem } = await issue(server)
    const reply = await server.client().get(url)
    assert.equal(reply.status, 200)
    assert.equal(reply.text, pem)
    assert.equal(reply.headers['content-type'], 'application/pem-certificate-chain')
    for (const absent of [
      url.replace('/default/', '/other/'),
      `${url}00`,
      `${url}/1`,
      url.replace(/[^/]+$/, 'zz'),
      url.replace(/[^/]+$/, 'a'.repeat(150)),
    ]) {
      const refused = await server.client().get(absent)
      assert.equal(refused.status, 404, absent)
      assert.equal(refused.headers['content-type'], 'application/problem+json')
    }
  } finally {
    await server.close()
  }
})

test('CQ-N03 KF-F22 renewal information by GET may be kept by caches and has no nonce; by POST-as-GET it has one, and is for nobody else', async () => {
  const server = await openEdgeServer()
  try {
    const { url } = await issue(server)
    const [record] = await server.store.certificates.findBySerial(new URL(url).pathname.split('/').at(-1) ?? '')
    const client = server.client()
    await client.newAccount()
    const directory = await client.get(server.client().directoryUrl)
    const at = `${directory.json.renewalInfo}/${renderCertificateId(record!)}`
    const read = await client.get(at)
    assert.equal(read.status, 200, read.text)
    assert.equal(read.headers['replay-nonce'], undefined)
    assert.equal(read.headers['cache-control'], 'public, max-age=60')
    const signed = await client.postAsGet(at)
    assert.equal(signed.status, 200, signed.text)
    assert.deepEqual(signed.json, read.json)
    assert.ok(signed.headers['replay-nonce'], 'RFC 8555 §6.5: on every successful answer to a POST')
    assert.equal(signed.headers['cache-control'], 'no-store')
    for (const { headers } of [read, signed]) {
      assert.match(String(headers.link), /\/acme\/default\/directory>;rel="index"/)
      assert.ok(Number(headers['retry-after']) >= 60)
    }
  } finally {
    await server.close()
  }
})

test('CQ-J07 CQ-R04 the key of a certificate revokes it, whatever its kind, without an account; another key does not', async () => {
  const server = await openEdgeServer()
  try {
    const keys = [
      generateTestKey('ES512'),
      generateTestKey('EdDSA'),
      generateTestKey('RS256', { rsaBits: 3072 }),
      generateTestKey('ES256'),
    ]
    for (const key of keys) {
      const { pem } = await issue(server, key)
      const certificate = Buffer.from(pem.split('-----')[2]!, 'base64').toString('base64url')
      const { revokeCert } = await server.client().directory()
      const stranger = await server.client().post(revokeCert!, { certificate })
      assert.equal(stranger.status, 403, stranger.text)
      const reply = await server.client({ key }).post(revokeCert!, { certificate })
      assert.equal(reply.status, 200, reply.text)
      assert.equal(reply.text, '')
      assert.ok(reply.headers['replay-nonce'])
    }
  } finally {
    await server.close()
  }
})
