import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { OID } from '../../src/x509/oids.ts'
import { assertRefused, type Journey, startJourney } from '../support/acme-journey.ts'
import { generateTestKey } from '../support/test-keys.ts'

/** One server for three kinds of client: anybody's web servers, devices that were handed a key, and a closed lab. */
const SET = [
  'policies.web.allow.dns=["**.web.test"]',
  'policies.web.allow.wildcards=false',
  'policies.devices.allow.dns=["*.devices.test"]',
  'policies.devices.deny.dns=["stolen.devices.test"]',
  'policies.devices.keys.algorithms=["P-256"]',
  'profiles.device.lifetime=2h',
  'profiles.device.subject=commonName',
  'profiles.device.extendedKeyUsages=["clientAuth"]',
  'profiles.device.description=client certificates for two hours',
  'directories.web.policy=web',
  'directories.web.challenges=["http-01"]',
  'directories.devices.policy=devices',
  'directories.devices.profile=device',
  'directories.devices.challenges=["dns-01"]',
  'directories.devices.externalAccount=required',
]

let journey: Journey
before(async () => {
  journey = await startJourney({ set: SET })
})
after(() => journey?.close())

async function eabKey(directory: string): Promise<{ kid: string; mac: Buffer }> {
  const out: string[] = []
  const code = await runCli(['eab', 'create', '--directory', directory, ...SET.flatMap((text) => ['--set', text])], {
    env: { CHANCERY_HOME: journey.chancery.home },
    cwd: '/',
    out: (line) => out.push(line),
    err: (line) => out.push(line),
  })
  assert.equal(code, 0, out.join('\n'))
  const kid = /Key id:\s+(\S+)/.exec(out.join('\n'))?.[1] ?? ''
  const mac = /MAC key:\s+([\w-]{43}) /.exec(out.join('\n'))?.[1] ?? ''
  return { kid, mac: Buffer.from(mac, 'base64url') }
}

test('each directory names its own URLs, profile and whether it wants an external account', async () => {
  const meta: Record<string, { profiles: object; externalAccountRequired: boolean }> = {}
  for (const directory of ['web', 'devices']) {
    const client = journey.client({ directory })
    const { json } = await client.get(client.directoryUrl)
    for (const [name, url] of Object.entries(json)) {
      if (name !== 'meta')
        assert.ok(String(url).startsWith(`${journey.chancery.urls.base}/acme/${directory}/`), String(url))
    }
    meta[directory] = json.meta
  }
  assert.deepEqual(Object.keys(meta['web']!.profiles), ['server'])
  assert.equal(meta['web']!.externalAccountRequired, false)
  assert.deepEqual(meta['devices']!.profiles, { device: 'client certificates for two hours' })
  assert.equal(meta['devices']!.externalAccountRequired, true)
})

test('web: no binding, http-01 alone, no wildcards, its own names, a server certificate for a day', async () => {
  const client = await journey.registered({ directory: 'web' })
  const { placed, leaf } = await journey.issue(client, ['shop.web.test'])
  assert.deepEqual(
    placed.authorizations[0]!.challenges.map(({ type }) => type),
    ['http-01'],
  )
  const certificate = parseCertificate(leaf.raw)
  assert.deepEqual(certificate.extendedKeyUsage, [OID.serverAuth])
  assert.equal(leaf.subject, undefined)
  assert.equal((certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 1000 + 1, 86_400)
  for (const name of ['*.web.test', 'printer.devices.test'])
    assertRefused(await client.newOrder([name]), 403, 'rejectedIdentifier')
  assertRefused(await client.newOrder(['shop.web.test'], { profile: 'device' }), 400, 'invalidProfile')
})

test('devices: a binding, dns-01 alone, one label deep, P-256 only, a client certificate with a name for two hours', async () => {
  const client = journey.client({ directory: 'devices' })
  assertRefused(await client.newAccount({}), 403, 'externalAccountRequired')
  const { kid, mac } = await eabKey('devices')
  const bound = await client.newAccount({ externalAccountBinding: await client.externalAccountBinding(kid, mac) })
  assert.equal(bound.status, 201, bound.text)

  const name = 'cam7.devices.test'
  const placed = await journey.place(client, [name])
  assert.deepEqual(
    placed.authorizations[0]!.challenges.map(({ type }) => type),
    ['dns-01'],
  )
  await client.post(journey.provision(client, placed.authorizations[0]!, 'dns-01').url, {})
  assert.equal((await client.poll(placed.authorizations[0]!.url)).json.status, 'valid')
  const rsa = client.csr([name], { key: generateTestKey('RS256') }).base64url
  assertRefused(await client.post(placed.finalize, { csr: rsa }), 400, 'badCSR')
  const done = await client.post(placed.finalize, { csr: client.csr([name]).base64url })
  assert.equal(done.json.status, 'valid', done.text)
  const pem = (await client.postAsGet(done.json.certificate)).text
  const leaf = parseCertificate(Buffer.from(pem.split('-----')[2]!, 'base64'))
  assert.deepEqual(leaf.extendedKeyUsage, [OID.clientAuth])
  assert.equal((leaf.notAfter.getTime() - leaf.notBefore.getTime()) / 1000 + 1, 7_200)
  for (const denied of ['a.cam7.devices.test', 'stolen.devices.test', 'shop.web.test'])
    assertRefused(await client.newOrder([denied]), 403, 'rejectedIdentifier')
})

test('an account, its proofs and its keys belong to one directory', async () => {
  const web = await journey.registered({ directory: 'web' })
  const other = journey.client({ directory: 'default', key: web.key })
  other.accountUrl = web.accountUrl
  assertRefused(await other.newOrder(['shop.web.test']), 400, 'accountDoesNotExist')
  assertRefused(await other.newAccount({ onlyReturnExisting: true }), 400, 'accountDoesNotExist')
  await journey.issue(web, ['mine.web.test'])
  const same = await journey.registered({ directory: 'default', key: web.key })
  const placed = await journey.place(same, ['mine.web.test'])
  assert.equal(placed.reply.json.status, 'pending')

  const { kid, mac } = await eabKey('devices')
  const stranger = journey.client({ directory: 'web' })
  const ignored = await stranger.newAccount({ externalAccountBinding: await stranger.externalAccountBinding(kid, mac) })
  assert.deepEqual([ignored.status, 'externalAccountBinding' in ignored.json], [201, false])
})
