import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { parseName } from '../../src/x509/name.ts'
import { OID } from '../../src/x509/oids.ts'
import { assertRefused, type Journey, type RecordingClient, startJourney } from '../support/acme-journey.ts'
import { der } from '../support/test-csr.ts'

/** A mesh whose accounts are bound to keys with attributes; what policy grants is wider than what any account is. */
const SET = [
  'policies.mesh.allow.dns=["*.mesh.test","denied.test"]',
  'policies.mesh.allow.uri=["spiffe://mesh.test/ns/*/sa/*","spiffe://other.test/**"]',
  'policies.mesh.allow.email=["*@mail.test"]',
  'policies.mesh.deny.uri=["spiffe://mesh.test/ns/prod/sa/root"]',
  'policies.mesh.deny.dns=["denied.test"]',
  'profiles.workload.type=workload',
  'profiles.workload.lifetime=1h',
  'profiles.workload.backdate=1m',
  'profiles.workload.noRevAvail=1h',
  'profiles.mapped.type=peer',
  'profiles.mapped.sans.uri=spiffe://mesh.test/ns/{attribute.team}/sa/{attribute.service}',
  'profiles.mapped.sans.dns=["{attribute.host}.mesh.test"]',
  'profiles.mapped.subject={"O": "Mesh", "OU": "{attribute.team}", "CN": "{attribute.host}.mesh.test"}',
  'profiles.person.type=client',
  'profiles.person.subject={"CN": "{attribute.name}"}',
  'profiles.plain.type=peer',
  'directories.mesh.policy=mesh',
  'directories.mesh.externalAccount=optional',
  'directories.mesh.profile=plain',
  'directories.mesh.profiles=["workload","mapped","person"]',
]

let journey: Journey
before(async () => {
  journey = await startJourney({ set: SET })
})
after(() => journey?.close())

/** A client whose account is bound to a key with these attributes and groups. */
async function bound(
  attributes: Readonly<Record<string, string>> = {},
  { at = journey, set = SET, groups = [] as readonly string[] } = {},
): Promise<RecordingClient> {
  const out: string[] = []
  const flags = Object.entries(attributes).flatMap(([name, value]) => ['--attribute', `${name}=${value}`])
  flags.push(...groups.flatMap((group) => ['--group', group]))
  const code = await runCli(
    ['eab', 'create', '--directory', 'mesh', ...flags, ...set.flatMap((text) => ['--set', text])],
    {
      env: { CHANCERY_HOME: at.chancery.home },
      cwd: '/',
      out: (line) => out.push(line),
      err: (line) => out.push(line),
    },
  )
  assert.equal(code, 0, out.join('\n'))
  const kid = /Key id:\s+(\S+)/.exec(out.join('\n'))?.[1] ?? ''
  const mac = Buffer.from(/MAC key:\s+([\w-]{43}) /.exec(out.join('\n'))?.[1] ?? '', 'base64url')
  const client = at.client({ directory: 'mesh' })
  const reply = await client.newAccount({ externalAccountBinding: await client.externalAccountBinding(kid, mac) })
  assert.equal(reply.status, 201, reply.text)
  return client
}

const uri = (value: string) => ({ type: 'uri', value })
const email = (value: string) => ({ type: 'email', value })
const uriName = (value: string): Buffer => der(0x86, Buffer.from(value))
const dnsName = (value: string): Buffer => der(0x82, Buffer.from(value))

async function finish(client: RecordingClient, finalize: string, generalNames: readonly Buffer[]) {
  const { base64url: csr } = client.csr([], { generalNames })
  const done = await client.post(finalize, { csr })
  assert.equal(done.json.status, 'valid', done.text)
  const pem = (await client.postAsGet(done.json.certificate)).text
  return parseCertificate(Buffer.from(pem.split('-----')[2]!, 'base64'))
}

const ID = 'spiffe://mesh.test/ns/shop/sa/web'

test('a workload gets the SPIFFE id that policy grants it, by the binding of its account, and all say so', async () => {
  const client = await bound()
  const placed = await journey.place(client, [uri(ID)], { profile: 'workload' })
  assert.equal(placed.reply.json.status, 'ready')
  const [authorization] = placed.authorizations
  assert.deepEqual(authorization?.identifier, uri(ID))
  assert.equal(authorization?.status, 'valid')
  assert.deepEqual(authorization?.challenges, [])
  const { json } = await client.postAsGet(authorization?.url ?? '')
  assert.equal(json.proof.method, 'account-binding')
  const leaf = await finish(client, placed.finalize, [uriName(ID)])
  assert.deepEqual(leaf.subjectAltNames, [uri(ID)])
  assert.equal(leaf.extensions.get(OID.subjectAltName)?.critical, true)
  assert.deepEqual(leaf.extendedKeyUsage, [OID.serverAuth, OID.clientAuth])
  assert.ok(leaf.extensions.has(OID.noRevAvail) && !leaf.extensions.has(OID.crlDistributionPoints))
  const [decision] = await journey.chancery.store.decisions.find(placed.url.split('/').at(-1) ?? '', 1)
  assert.deepEqual(
    decision?.request.proofs?.map(({ name, method }) => [name, method]),
    [[uri(ID), 'account-binding']],
  )
})

test('a certificate that says it cannot be revoked can be, and its clients hear of it', async () => {
  const client = await bound()
  const placed = await journey.place(client, [uri(ID)], { profile: 'workload' })
  const leaf = await finish(client, placed.finalize, [uriName(ID)])
  const { revokeCert = '' } = await client.directory()
  const revoked = await client.post(revokeCert, { certificate: leaf.der.toString('base64url'), reason: 1 })
  assert.equal(revoked.status, 200, revoked.text)
  const [issuer] = journey.chancery.running.issuers.values()
  const entry = await journey.chancery.store.certificates.find(issuer?.id ?? '', leaf.serialHex)
  assert.equal(entry?.revocationReason, 1)
})

test('a URI that policy does not grant, denies, or cannot read is refused at newOrder', async () => {
  const client = await bound()
  for (const value of [
    'spiffe://mesh.test/ns/prod/sa/root',
    'spiffe://mesh.test/ns/shop/sa/web/more',
    'spiffe://mesh.test/ns/shop',
    'spiffe://evil.test/ns/shop/sa/web',
    'spiffe://mesh.test.evil/ns/shop/sa/web',
    'https://mesh.test/ns/shop/sa/web',
    'urn:mesh.test:web',
  ])
    assertRefused(await client.newOrder([uri(value)], { profile: 'plain' }), 403, 'rejectedIdentifier')
  for (const value of [
    'spiffe://mesh.test/ns/*/sa/web',
    'spiffe://MESH.test/ns/a/sa/b',
    'spiffe://mesh.test/ns/../sa/b',
  ])
    assertRefused(await client.newOrder([uri(value)], { profile: 'plain' }), 400, 'malformed')
})

test('an account without a binding gets no URI and no mail address, whatever policy grants', async () => {
  const client = await journey.registered({ directory: 'mesh' })
  for (const name of [uri(ID), email('ann@mail.test')])
    assert.match(
      assertRefused(await client.newOrder([name], { profile: 'person' }), 403, 'unauthorized'),
      /external account key/,
    )
  const { newAuthz = '' } = await client.directory()
  assertRefused(await client.post(newAuthz, { identifier: uri(ID) }), 403, 'unauthorized')
})

test('a workload has exactly one SPIFFE id with a path, and nobody has one beside another URI', async () => {
  const client = await bound()
  const other = 'spiffe://other.test/a'
  for (const [names, profile] of [
    [[uri(ID), uri(other)], 'workload'],
    [[uri(ID), 'web.mesh.test'], 'workload'],
    [['web.mesh.test'], 'workload'],
    [[uri(ID), uri(other)], 'plain'],
    [[email('ann@mail.test')], 'plain'],
  ] as const)
    assertRefused(await client.newOrder(names, { profile }), 400, 'invalidProfile')
})

test('KF-C06 the CSR carries the very URI of the order, and nothing else', async () => {
  const client = await bound()
  const placed = await journey.place(client, [uri(ID)], { profile: 'workload' })
  for (const names of [
    [uriName('spiffe://mesh.test/ns/shop/sa/Web')],
    [uriName('spiffe://mesh.test/ns/shop/sa/other')],
    [uriName(ID), uriName('spiffe://other.test/a')],
    [uriName(ID), dnsName('web.mesh.test')],
    [uriName(ID), der(0x81, Buffer.from('ann@mail.test'))],
    [],
  ]) {
    const csr = names.length === 0 ? client.csr([], { withoutSan: true }) : client.csr([], { generalNames: names })
    assertRefused(await client.post(placed.finalize, { csr: csr.base64url }), 400, 'badCSR')
  }
  const named = client.csr([], { generalNames: [uriName(ID)], commonName: 'spiffe://other.test/a' }).base64url
  assertRefused(await client.post(placed.finalize, { csr: named }), 400, 'badCSR')
  await finish(client, placed.finalize, [uriName(ID)])
})

const ATTRIBUTES = { team: 'shop', service: 'web', host: 'web7' }

test('a client that knows dns names alone gets the names and the subject of its account added by the profile', async () => {
  const client = await bound(ATTRIBUTES)
  const placed = await journey.ready(client, ['asked.mesh.test'], { profile: 'mapped' })
  assert.deepEqual(placed.reply.json.identifiers, [{ type: 'dns', value: 'asked.mesh.test' }])
  const leaf = await finish(client, placed.finalize, [dnsName('asked.mesh.test')])
  assert.deepEqual(leaf.subjectAltNames, [
    { type: 'dns', value: 'asked.mesh.test' },
    { type: 'dns', value: 'web7.mesh.test' },
    uri(ID),
  ])
  assert.deepEqual(
    parseName(leaf.subjectDer).attributes.map(({ value }) => value),
    ['Mesh', 'shop', 'web7.mesh.test'],
  )
  const again = await journey.ready(client, ['asked.mesh.test'], { profile: 'mapped' })
  await finish(client, again.finalize, [dnsName('asked.mesh.test'), uriName(ID), dnsName('web7.mesh.test')])
})

test('KF-C10 an attribute that could widen a name refuses the order with the reason, and without its value', async () => {
  for (const [name, value] of [
    ['host', '*'],
    ['host', 'a.b'],
    ['host', '*.b'],
    ['host', 'a/b'],
    ['host', 'a,b'],
    ['host', 'a?b'],
    ['host', 'a b'],
    ['host', '-a'],
    ['team', '..'],
    ['team', 'a/sa/root'],
    ['team', '*'],
    ['team', '%2e%2e'],
    ['team', 'a?x'],
    ['team', 'a#x'],
    ['service', 'web,DNS:evil.test'],
  ] as const) {
    const client = await bound({ ...ATTRIBUTES, [name]: value })
    const detail = assertRefused(
      await client.newOrder(['asked.mesh.test'], { profile: 'mapped' }),
      400,
      'invalidProfile',
    )
    assert.match(detail, new RegExp(`"${name}"[^]*reference req_`), value)
    assert.ok(!detail.includes(`"${value}"`), value)
  }
  const { team, service } = ATTRIBUTES
  const partly = await bound({ team, service })
  assert.match(
    assertRefused(await partly.newOrder(['asked.mesh.test'], { profile: 'mapped' }), 400, 'invalidProfile'),
    /no attribute "host"/,
  )
})

test('what an attribute maps to is asked of policy like what a client asks for', async () => {
  const client = await bound({ ...ATTRIBUTES, team: 'prod', service: 'root' })
  const detail = assertRefused(
    await client.newOrder(['asked.mesh.test'], { profile: 'mapped' }),
    403,
    'rejectedIdentifier',
  )
  assert.match(detail, /spiffe:\/\/mesh\.test\/ns\/prod\/sa\/root/)
})

test('KF-C10 a common name from an attribute is no name that policy was not asked about', async () => {
  for (const name of ['admin.mesh.test', 'spiffe://mesh.test/ns/prod/sa/root', 'root@mail.test', '10.0.0.1', '*']) {
    const client = await bound({ name })
    assertRefused(await client.newOrder(['own.mesh.test'], { profile: 'person' }), 400, 'invalidProfile')
  }
  const ann = await bound({ name: 'Ann Lee, Söhne + "Co"' })
  const placed = await journey.place(ann, [email('ann@mail.test')], { profile: 'person' })
  const leaf = await finish(ann, placed.finalize, [der(0x81, Buffer.from('ann@MAIL.test'))])
  assert.deepEqual(leaf.subjectAltNames, [email('ann@mail.test')])
  assert.deepEqual(parseName(leaf.subjectDer).attributes, [{ oid: OID.commonName, value: 'Ann Lee, Söhne + "Co"' }])
})

test('an order keeps the attributes that it was made with', async () => {
  const client = await bound(ATTRIBUTES)
  const placed = await journey.ready(client, ['asked.mesh.test'], { profile: 'mapped' })
  const order = await journey.chancery.store.orders.get(placed.url.split('/').at(-1) as never)
  assert.deepEqual(order?.order.profile.addedNames, [{ type: 'dns', value: 'web7.mesh.test' }, uri(ID)])
  assert.match(order?.order.profile.version ?? '', /^[0-9a-f]{16}$/)
})

const RULES = `
version: 1
rules:
  - name: shop-workloads
    for: { groups: [shop] }
    names: { uri: ['spiffe://mesh.test/ns/shop/sa/*'] }
    profiles: [workload, mapped]
    when: proofs.all(proof, proof.method == 'account-binding')
  - name: anybody
    names: { dns: ['*.mesh.test'] }
    challenges: { dns: http-01 }
tests: []
`

test('a rule of the policy file grants a URI to a group, told how it was proved; what wants a challenge cannot be mapped', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'chancery-uris-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  await writeFile(join(home, 'rules.yaml'), RULES)
  const set = [...SET.filter((text) => !/polic(y|ies)/.test(text)), 'policy.file=rules.yaml']
  const at = await startJourney({ home, set })
  t.after(() => at.close())
  const shop = await bound(ATTRIBUTES, { at, set, groups: ['shop'] })
  const placed = await at.place(shop, [uri(ID)], { profile: 'workload' })
  const leaf = await finish(shop, placed.finalize, [uriName(ID)])
  assert.deepEqual(leaf.subjectAltNames, [uri(ID)])
  assertRefused(
    await shop.newOrder([uri('spiffe://mesh.test/ns/prod/sa/web')], { profile: 'workload' }),
    403,
    'rejectedIdentifier',
  )
  const other = await bound({}, { at, set, groups: ['bank'] })
  assertRefused(await other.newOrder([uri(ID)], { profile: 'workload' }), 403, 'rejectedIdentifier')
  const detail = assertRefused(await shop.newOrder(['asked.mesh.test'], { profile: 'mapped' }), 403, 'unauthorized')
  assert.match(detail, /web7\.mesh\.test.*http-01/)
})
