import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { assertRefused, type Journey, startJourney } from '../support/acme-journey.ts'
import { idIn } from '../support/acme-world.ts'
import { openEdgeServer } from '../support/edge-server.ts'
import { generateTestKey } from '../support/test-keys.ts'

let journey: Journey
before(async () => {
  journey = await startJourney({
    set: [
      'profiles.named.subject=commonName',
      'profiles.both.extendedKeyUsages=["serverAuth", "clientAuth"]',
      'directories.named.profile=named',
      'directories.both.profile=both',
    ],
  })
})
after(() => journey?.close())

describe('CQ-C01 CQ-C02 CQ-C05 the file of every profile and kind of key', () => {
  const CASES = [
    { directory: 'default', names: ['file.localhost'], key: 'ES256' },
    { directory: 'default', names: ['file.localhost', '127.0.0.1'], key: 'RS256' },
    { directory: 'named', names: ['file.localhost'], key: 'ES384' },
    { directory: 'named', names: ['127.0.0.1'], key: 'ES256' },
    { directory: 'both', names: ['file.localhost'], key: 'EdDSA' },
  ] as const
  for (const { directory, names, key } of CASES) {
    test(`${directory}, ${key}, ${names.join(' and ')}`, async () => {
      const client = await journey.registered({ directory })
      const { chain } = await journey.issue(client, names, { key: generateTestKey(key) })
      const text = chain.bytes.toString('latin1')
      assert.match(
        text,
        /^(?:-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/]{64}\n)*(?:[A-Za-z0-9+/]{1,64}={0,2}\n)?-----END CERTIFICATE-----\n){2}$/,
      )
      const [leaf, issuer] = (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? []).map(
        (pem) => new X509Certificate(pem),
      )
      assert.ok(leaf && issuer)
      assert.ok(leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey))
      assert.ok(issuer.checkIssued(new X509Certificate(journey.chancery.rootPem)))
      const subject = leaf.subject ?? ''
      assert.equal(subject, directory === 'named' && names[0] === 'file.localhost' ? 'CN=file.localhost' : '')
      const der = leaf.raw.toString('hex')
      const holds = (hex: string) => der.includes(hex)
      assert.ok(holds('0603551d23'), 'authorityKeyIdentifier')
      assert.ok(holds('06082b06010505070301'), 'serverAuth')
      assert.equal(holds('06082b06010505070302'), directory === 'both', 'clientAuth')
      // keyUsage, critical: digitalSignature, and keyEncipherment for RSA only.
      assert.ok(holds(key === 'RS256' ? '0603551d0f0101ff0404030205a0' : '0603551d0f0101ff040403020780'), 'keyUsage')
    })
  }
})

test('CQ-C03 100 downloads at two replicas are 100 times the same bytes', async () => {
  const server = await openEdgeServer()
  const replica = server.makeListener()
  try {
    const { port } = await replica.listen('127.0.0.1', 0)
    const here = server.client()
    await here.newAccount()
    const there = server.client({ key: here.key, connectTo: { host: '127.0.0.1', port } })
    there.accountUrl = here.accountUrl
    const order = await here.newOrder(['same.test'])
    const record = await server.store.accounts.find('default', idIn(here.accountUrl) as never)
    await server.prove({ record: record!, key: here.key }, idIn(order.json.authorizations[0]))
    const done = await here.post(order.json.finalize, { csr: here.csr(['same.test']).base64url })
    const seen = new Set<string>()
    for (let i = 0; i < 50; i++) {
      for (const client of [here, there]) {
        const reply = await client.postAsGet(done.json.certificate)
        assert.equal(reply.status, 200, reply.text)
        seen.add(reply.bytes.toString('hex'))
      }
    }
    assert.equal(seen.size, 1)
  } finally {
    await replica.close()
    await server.close()
  }
})

test('CQ-R01 no reason and reason 0 are alike, text is malformed and revokes nothing', async () => {
  const client = await journey.registered()
  const { revokeCert = '' } = await client.directory()
  const issue = async () => (await journey.issue(client, ['reason.localhost'])).leaf.raw.toString('base64url')
  for (const extra of [{}, { reason: 0 }, { reason: null }, { reason: 4 }]) {
    const reply = await client.post(revokeCert, { certificate: await issue(), ...extra })
    assert.deepEqual([reply.status, reply.bytes.length, reply.headers['content-type']], [200, 0, undefined], 'CQ-R03')
  }
  const certificate = await issue()
  for (const reason of ['0', 'keyCompromise', 1.5, true, [1]])
    assertRefused(await client.post(revokeCert, { certificate, reason }), 400, 'malformed')
  for (const reason of [2, 7, 8, 99, -1])
    assertRefused(await client.post(revokeCert, { certificate, reason }), 400, 'badRevocationReason')
  assert.equal((await client.post(revokeCert, { certificate })).status, 200)
})

test('CQ-R02 CQ-J03 twice in parallel is one 200 and one alreadyRevoked with its date, by account or by key, padded or not', async () => {
  const client = await journey.registered()
  const { revokeCert = '' } = await client.directory()
  for (let i = 0; i < 5; i++) {
    const { leaf, key } = await journey.issue(client, [`${'r'.repeat(i + 1)}.localhost`])
    const plain = leaf.raw.toString('base64url')
    const padded = plain + '='.repeat((4 - (plain.length % 4)) % 4)
    const byKey = journey.client({ key })
    const replies = await Promise.all([
      client.post(revokeCert, { certificate: padded }),
      byKey.post(revokeCert, { certificate: plain }, { kid: null }),
    ])
    assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 400])
    const lost = replies.find(({ status }) => status === 400)!
    assert.match(assertRefused(lost, 400, 'alreadyRevoked'), /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/)
    const again = await client.post(revokeCert, { certificate: plain, reason: 4 })
    assert.equal(again.json.detail.replace(/\(.*/, ''), lost.json.detail.replace(/\(.*/, ''), 'the state is unchanged')
  }
})

test('CQ-R04 after its account was given up, the key of the certificate still revokes', async () => {
  const client = await journey.registered()
  const { leaf, key } = await journey.issue(client, ['orphan.localhost'])
  assert.equal((await client.post(client.accountUrl!, { status: 'deactivated' })).status, 200)
  const { revokeCert = '' } = await client.directory()
  const certificate = leaf.raw.toString('base64url')
  assertRefused(await client.post(revokeCert, { certificate }), 401, 'unauthorized')
  assertRefused(await journey.client().post(revokeCert, { certificate }, { kid: null }), 403, 'unauthorized')
  assert.equal((await journey.client({ key }).post(revokeCert, { certificate }, { kid: null })).status, 200)
})
