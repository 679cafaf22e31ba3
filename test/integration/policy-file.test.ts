import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ConfigError } from '../../src/config/config-error.ts'
import { readConfig } from '../../src/config/read.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { assertRefused, type Journey, startJourney } from '../support/acme-journey.ts'
import { startTestChancery } from '../support/chancery.ts'
import { generateTestKey } from '../support/test-keys.ts'

/** A file of rules decides for a running server: at newOrder, by the challenges offered, and on the bytes. */
const RULES = `
version: 1
rules:
  - name: team-a
    names: { dns: ['**.a.test'], wildcards: true }
    challenges: { dns: http-01, wildcard: dns-01 }
    with: { maxLifetime: 2h, defaultLifetime: 1h }
  - name: lab
    for: { directories: [lab] }
    names: { dns: ['**.lab.test'], ip: [10.20.0.0/16] }
    keys: [P-256]
  - name: partner
    names: { dns: ['**.partner.test'] }
    expires: 2020-01-01T00:00:00Z
  - name: appliance
    names: { dns: ['*.appliance.test'] }
    when: "proofs.all(p, p.method == 'http-01' && p.address == '127.0.0.1')"
  - name: elsewhere
    names: { dns: ['*.elsewhere.test'] }
    when: "proofs.all(p, p.address == '10.0.0.1')"
  - name: not-the-vault
    effect: deny
    names: { dns: [vault.a.test] }
tests:
  - { name: a host of team a, request: { dns: www.a.test }, expect: allow, rule: team-a }
  - { name: the vault, request: { dns: vault.a.test }, expect: deny, rule: not-the-vault }
`

const SET = ['policy.file=rules.yaml', 'policy.author=ann', 'directories.lab.challenges=["http-01"]']

let home: string
let journey: Journey
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-policy-'))
  await writeFile(join(home, 'rules.yaml'), RULES)
  journey = await startJourney({ home, set: SET })
})
after(async () => {
  await journey?.close()
  await rm(home, { recursive: true, force: true })
})

test('what a rule allows is issued, for as long as the rule says', async () => {
  const client = await journey.registered()
  const { leaf, placed } = await journey.issue(client, ['www.a.test'])
  const { notBefore, notAfter } = parseCertificate(leaf.raw)
  assert.equal((notAfter.getTime() - notBefore.getTime()) / 1000 + 1, 3600)
  assert.deepEqual(
    placed.authorizations[0]?.challenges.map(({ type }) => type),
    ['http-01'],
  )
  const wild = await journey.place(client, ['*.x.a.test'])
  assert.deepEqual(
    wild.authorizations[0]?.challenges.map(({ type }) => type),
    ['dns-01'],
  )
})

test('an order may ask for as long as the rule allows, and no longer', async () => {
  const client = await journey.registered()
  const until = (seconds: number) => ({ notAfter: new Date(Date.now() + seconds * 1000).toISOString() })
  const { leaf } = await journey.issue(client, ['two.a.test'], { extra: until(7100) })
  const { notBefore, notAfter } = parseCertificate(leaf.raw)
  assert.ok((notAfter.getTime() - notBefore.getTime()) / 1000 + 1 <= 7200)
  const detail = assertRefused(await client.newOrder(['two.a.test'], until(7300)), 400, 'malformed')
  assert.match(detail, /7200/)
})

test('names of other rules, directories, times and denials are refused, each with its reason and a reference', async () => {
  const client = await journey.registered()
  const refused = async (name: string | { type: string; value: string }, why: RegExp): Promise<void> => {
    const detail = assertRefused(await client.newOrder([name]), 403, 'rejectedIdentifier')
    assert.match(detail, why)
    assert.match(detail, /reference req_/)
  }
  await refused('www.lab.test', /No rule allows/)
  await refused({ type: 'ip', value: '10.20.0.1' }, /No rule allows/)
  await refused('x.partner.test', /the rule ended/)
  await refused('vault.a.test', /never issued/)
  await refused('*.a.test', /never issued/)
  await refused('www.internal', /No rule allows/)
  const lab = await journey.registered({ directory: 'lab' })
  assert.equal((await lab.newOrder(['www.lab.test'])).status, 201)
})

test('a key that no rule allows is refused at finalize, and the order stays ready', async () => {
  const client = await journey.registered({ directory: 'lab' })
  const placed = await journey.ready(client, ['key.lab.test'])
  const bad = await client.post(placed.finalize, {
    csr: client.csr(['key.lab.test'], { key: generateTestKey('ES384') }).base64url,
  })
  assert.match(assertRefused(bad, 400, 'badCSR'), /use a key of kind P-256/)
  const good = await client.post(placed.finalize, { csr: client.csr(['key.lab.test']).base64url })
  assert.equal(good.status, 200, good.text)
})

test('a condition sees by what and from which address a name was proved', async () => {
  const client = await journey.registered()
  await journey.issue(client, ['x.appliance.test'])
  const placed = await journey.ready(client, ['x.elsewhere.test'])
  const finalized = await client.post(placed.finalize, { csr: client.csr(['x.elsewhere.test']).base64url })
  assert.match(assertRefused(finalized, 403, 'rejectedIdentifier'), /condition does not hold/)
})

test('a reload changes what is decided, without a restart and without a refused request', async () => {
  const client = await journey.registered()
  const { policy } = journey.chancery.running
  const before = policy?.loaded.version
  assertRefused(await client.newOrder(['new.partner.test']), 403, 'rejectedIdentifier')
  const placed = await journey.ready(client, ['late.a.test'])
  const changed = RULES.replace('2020-01-01', '2999-01-01')
    .replace("['**.a.test']", "['www.a.test']")
    .replace('vault.a.test }', 'vault.a.test, profile: server }')
  await writeFile(join(home, 'rules.yaml'), changed)
  assert.equal(await policy?.reload(), 'changed')
  assert.equal(await policy?.reload(), 'unchanged')
  assert.equal(policy?.loaded.version, createHash('sha256').update(changed).digest('hex'))
  assert.equal((await client.newOrder(['new.partner.test'])).status, 201)
  // What was placed under the earlier rules is decided by those of now.
  const refused = await client.post(placed.finalize, { csr: client.csr(['late.a.test']).base64url })
  assertRefused(refused, 403, 'rejectedIdentifier')

  const [loaded] = journey.chancery.log.of('policy.loaded').slice(-1)
  assert.equal(loaded?.['author'], 'ann')
  await writeFile(join(home, 'rules.yaml'), RULES)
  assert.equal(await policy?.reload(), 'changed')
  assert.equal(policy?.loaded.version, before)
  assert.equal((await client.post(placed.finalize, { csr: client.csr(['late.a.test']).base64url })).status, 200)
})

test('KF-G06 a file with any fault changes nothing, and the log has every fault', async () => {
  const client = await journey.registered()
  const { policy } = journey.chancery.running
  const before = policy?.loaded.version
  const faulty: readonly (readonly [string, RegExp])[] = [
    [RULES.replace('names:', 'namez:'), /namez/],
    [`${RULES}\n  - { name: wrong, request: { dns: www.a.test }, expect: deny }`, /test "wrong": expected deny/],
    [RULES.replace('directories: [lab]', 'directories: [lap]'), /no directory "lap"; did you mean lab/],
    [RULES.replace("'**.a.test'", "'a*.test'"), /team-a.*a\*\.test/],
    [RULES.replace('name: lab', 'name: team-a'), /two rules are called team-a/],
    ['version: 1\nrules: [', /./],
    ['\ufffe', /./],
  ]
  for (const [text, fault] of faulty) {
    await writeFile(join(home, 'rules.yaml'), text)
    assert.equal(await policy?.reload(), 'refused', text)
    const [line] = journey.chancery.log.of('policy.refused').slice(-1)
    assert.match(String(line?.['faults']), fault)
    assert.equal(policy?.loaded.version, before)
    assert.equal((await client.newOrder(['www.a.test'])).status, 201)
  }
  await rm(join(home, 'rules.yaml'))
  assert.equal(await policy?.reload(), 'refused')
  await writeFile(join(home, 'rules.yaml'), RULES)
  assert.equal(await policy?.reload(), 'unchanged')
})

test('KF-G06 a faulty file, or one that is missing, stops the start', async (t) => {
  const other = await mkdtemp(join(tmpdir(), 'chancery-policy-'))
  t.after(() => rm(other, { recursive: true, force: true }))
  await assert.rejects(startTestChancery({ home: other, set: ['policy.file=none.yaml'] }), /none\.yaml cannot be read/)
  await writeFile(join(other, 'rules.yaml'), RULES.replace('expect: allow', 'expect: deny'))
  await assert.rejects(startTestChancery({ home: other, set: SET }), /a host of team a.*expected deny/)
})

test('KF-E09 KF-G01 while the clock lies behind what was seen before, nothing is allowed: ended rules could come alive again', async (t) => {
  const other = await mkdtemp(join(tmpdir(), 'chancery-policy-'))
  t.after(() => rm(other, { recursive: true, force: true }))
  await writeFile(join(other, 'rules.yaml'), RULES)
  let offMs = 0
  const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + offMs) }
  const astray = await startJourney({ home: other, set: SET, clock })
  t.after(() => astray.close())
  const client = await astray.registered()
  assert.equal((await client.newOrder(['www.a.test'])).status, 201)
  offMs = -10 * 365 * 86_400_000
  for (const name of ['www.a.test', 'x.partner.test']) {
    const refused = await client.newOrder([name])
    assert.equal(refused.status, 503, refused.text)
    assert.match(refused.json.detail, /cannot be decided at this time.*req_/)
    assert.match(String(refused.headers['retry-after']), /^\d+$/)
  }
  offMs = 0
  const later = await astray.registered()
  assert.equal((await later.newOrder(['web.a.test'])).status, 201)
})

test('KF-G06 a policy file beside policies of the configuration stops the start', async () => {
  for (const also of ['policies.default.allow.dns=["x.test"]', 'directories.web.policy=default']) {
    await assert.rejects(readConfig({ home, set: [...SET, also] }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      return /policy\.file/.test(error.problems.join('\n'))
    })
  }
  await assert.rejects(readConfig({ home: tmpdir(), set: ['policy.author=ann'] }), ConfigError)
})
