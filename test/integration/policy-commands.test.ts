import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { EabKeyRecord } from '../../src/store/records.ts'
import { type Journey, startJourney } from '../support/acme-journey.ts'
import type { AcmeTestClient } from '../support/acme-test-client.ts'
import { runCommand } from '../support/cli.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { accountRecord, auditEvent, eabKeyRecord } from '../support/records.ts'

const IN_FORCE = `version: 1
rules:
  - name: everybody
    names: { dns: ['*.corp.test'] }
    with: { maxLifetime: 12h }
  - name: team-b
    for: { groups: b }
    names: { dns: ['**.b.test'], wildcards: true }
    challenges: { wildcard: dns-01 }
  - name: ended
    names: { dns: [gone.test] }
    expires: 2020-01-01T00:00:00Z
  - name: never
    effect: deny
    names: { dns: [vault.corp.test] }
tests:
  - { name: anybody, request: { dns: a.corp.test }, expect: allow, rule: everybody }
`

let home: string
let journey: Journey
let client: AcmeTestClient
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-policy-'))
  await writeFile(join(home, 'rules.yaml'), IN_FORCE)
  await writeFile(join(home, 'chancery.yaml'), 'policy: { file: rules.yaml, author: ann }\n')
  journey = await startJourney({ home })
  client = await journey.registered()
})
after(async () => {
  await journey.close()
  await rm(home, { recursive: true, force: true })
})

const policy = (...words: string[]) => runCommand(['policy', ...words], { home, cwd: home })

async function file(name: string, rules: string, tests = ''): Promise<string> {
  await writeFile(join(home, name), `version: 1\nrules:\n${rules}\n${tests === '' ? '' : `tests:\n${tests}\n`}`)
  return name
}

test('policy test shows each example by its name, and fails with the file', async () => {
  const good = await policy('test')
  assert.deepEqual([good.code, good.err], [0, ''])
  assert.match(good.out, /^ok {4}anybody\n4 rules, 1 tests; version [0-9a-f]{16,64}$/)
  const bad = await policy(
    'test',
    await file(
      'bad.yaml',
      "  - { name: r, names: { dns: ['*.x.test'] } }",
      '  - { name: right, request: { dns: a.x.test }, expect: allow }\n' +
        '  - { name: wrong, request: { dns: a.y.test }, expect: allow }',
    ),
  )
  assert.equal(bad.code, 1)
  assert.match(bad.out, /^ok {4}right$/m)
  assert.match(bad.out, /^FAIL {2}wrong: expected allow, but it came out deny \(names\.dns: /m)
})

test('KF-G06 policy test says every fault of a file that is refused whole', async () => {
  for (const [rules, fault] of [
    ["  - { name: r, nmaes: { dns: ['*.x.test'] } }", /rules\[0\] \(r\).*nmaes/],
    ['  - { name: r, names: { dns: [x.test] }, profiles: [sevrer] }', /did you mean server\?/],
    ['  - { name: r, names: { dns: [x*.test] } }', /rule r: "x\*\.test" is not a name pattern/],
    ['  - { name: r, names: { dns: [x.test] }, when: "1 +" }', /rule r: /],
  ] as const) {
    const { code, err } = await policy('test', await file('faulty.yaml', rules))
    assert.equal(code, 1, rules)
    assert.match(err, fault)
  }
  const missing = await policy('test', 'nowhere.yaml')
  assert.equal(missing.code, 1)
  assert.match(missing.err, /nowhere\.yaml cannot be read \(ENOENT\)/)
})

test('policy try decides a made-up request, tells the rules, and issues nothing', async () => {
  const before = await journey.chancery.store.retention.counts()
  const allowed = await policy('try', '--dns', 'a.corp.test')
  assert.equal(allowed.code, 0, allowed.err)
  assert.match(allowed.out, /^Allowed for the bytes/)
  assert.match(allowed.out, /allowed by {2}rule everybody for dns:a\.corp\.test/)
  assert.match(allowed.out, /lifetime +43200 s/, 'as long as the order would be told')
  const refused = await policy('try', '--dns', 'x.b.test', '--dns', 'vault.corp.test')
  assert.equal(refused.code, 1)
  assert.match(refused.out, /nearly +rule team-b for dns:x\.b\.test, but: the rule is for others/)
  assert.match(refused.out, /refused by +rule never for dns:vault\.corp\.test \(name-denied\)/)
  assert.equal((await policy('try', '--dns', 'x.b.test', '--group', 'b')).code, 0)
  const byHttp = await policy('try', '--dns', '*.b.test', '--group', 'b', '--challenge', 'http-01')
  assert.equal(byHttp.code, 1)
  assert.match(byHttp.out, /\(proof\): .*prove it by dns-01/)
  assert.equal((await policy('try', '--dns', 'gone.test')).code, 1)
  assert.equal((await policy('try', '--dns', 'gone.test', '--at', '2019-12-31T23:59:59Z')).code, 0)
  assert.equal((await policy('try', '--dns', 'a.corp.test', '--lifetime', '13h')).code, 1)
  const json = await policy('try', '--dns', 'a.corp.test', '--json')
  assert.equal(JSON.parse(json.out).decision.outcome, 'allow')
  assert.deepEqual(await journey.chancery.store.retention.counts(), before)
})

test('policy try says what of a made-up request cannot be', async () => {
  for (const [words, fault] of [
    [['--dns', '*x.test'], /\*x\.test/],
    [['--dns', 'a.test', '--key', 'P256'], /key: must be P-256/],
    [['--dns', 'a.test', '--directory', 'nowhere'], /there is no directory nowhere/],
    [['--dns', 'a.test', '--attribute', 'team'], /must be NAME=VALUE/],
    [['--dns', 'a.test', '--at', 'tomorrow'], /at: /],
    [['--dns', 'a.test', '--account', `acc_${'a'.repeat(22)}`, '--group', 'b'], /leave one of the two out/],
  ] as const) {
    const { code, err } = await policy('try', ...words)
    assert.equal(code, 2, words.join(' '))
    assert.match(err, fault)
  }
  const unknown = await policy('try', '--dns', 'a.test', '--account', `acc_${'a'.repeat(22)}`)
  assert.equal(unknown.code, 1)
  assert.match(unknown.err, /there is no account/)
})

/** The URL of an account whose external account key has these facts. */
async function boundAccount(facts: Partial<EabKeyRecord>): Promise<string> {
  const { store, urls } = journey.chancery
  const now = new Date()
  const key = eabKeyRecord(now, facts)
  await store.eabKeys.create(key, auditEvent(now, 'eab-key.created'))
  const record = accountRecord(now, { eabKeyId: key.id })
  const made = await store.accounts.create(record, { now, eab: key.id, audit: auditEvent(now, 'account.created') })
  assert.equal(made.outcome, 'created')
  return `${urls.base}/acme/default/account/${record.id}`
}

test('a real account is tried with the groups of its external account key, and has what effective says', async () => {
  const account = await boundAccount({ groups: ['b'], attributes: { site: 'x' } })
  assert.equal((await policy('try', '--account', account, '--dns', 'x.b.test')).code, 0)
  const effective = await policy('effective', account)
  assert.equal(effective.code, 0, effective.err)
  assert.match(effective.out, /^ {2}groups +b$/m)
  assert.match(effective.out, /^ {2}attributes +site=x$/m)
  assert.match(effective.out, /^May hold, by rule team-b\n {2}dns +\*\*\.b\.test\n {2}wildcards +yes\n/m)
  assert.match(effective.out, /^ {2}wildcard by +dns-01$/m)
  assert.match(effective.out, /^Never, by rule never$/m)
  assert.doesNotMatch(effective.out, /by rule ended/)
  const other = await policy('effective', client.accountUrl ?? '')
  assert.doesNotMatch(other.out, /team-b/)
  const json = JSON.parse((await policy('effective', account, '--json')).out)
  assert.deepEqual(
    json.allow.map(({ name }: { name: string }) => name),
    ['everybody', 'team-b'],
  )
})

test('an account whose key is for certain rules has no others, and one that is stopped has none', async () => {
  const scoped = await boundAccount({ groups: ['b'], scope: ['everybody'] })
  const effective = await policy('effective', scoped)
  assert.match(effective.out, /^ {2}only rules +everybody$/m)
  assert.doesNotMatch(effective.out, /team-b/)
  const tried = JSON.parse((await policy('try', '--account', scoped, '--dns', 'a.corp.test', '--json')).out)
  assert.deepEqual(tried.request.requester.externalKey.scope, ['everybody'])

  const stopped = await boundAccount({ groups: ['b'], accountsEndAt: new Date(Date.now() + 30_000) })
  const later = { home, cwd: home, clock: new FakeClock(new Date(Date.now() + 60_000).toISOString()) }
  const refused = await runCommand(['policy', 'try', '--account', stopped, '--dns', 'x.b.test'], later)
  assert.equal(refused.code, 1)
  assert.match(refused.err, /has ended or is stopped; it gets nothing/)
  assert.match((await runCommand(['policy', 'effective', stopped], later)).out, /^Account .*: ENDED 20/)
})

test('effective lists the names that were granted beforehand to the account and its key, and no others', async () => {
  const url = await boundAccount({ groups: ['b'] })
  const id = url.slice(url.lastIndexOf('/') + 1)
  const { store } = journey.chancery
  const [made] = (await store.eabKeys.list()).slice(-1)
  const grant = (...words: string[]) =>
    runCommand(['preauthorize', 'add', ...words, '--owner', 'ann'], { home, cwd: home })
  const own = await grant('own.b.test', '--account', id, '--expires', '30d', '--note', 'a printer')
  assert.equal(own.code, 0, own.err)
  await grant('*.key.b.test', '--key', made?.id ?? '', '--expires', '60d')
  await grant('10.0.0.9', '--account', id, '--expires', '90d')
  const ended = await grant('ended.b.test', '--account', id, '--expires', '1s')
  assert.equal(ended.code, 0)
  const taken = await grant('taken.b.test', '--account', id, '--expires', '30d')
  await runCommand(['preauthorize', 'revoke', taken.out.split(':')[0] ?? ''], { home, cwd: home })
  await grant('strange.b.test', '--account', client.accountUrl?.split('/').at(-1) ?? '', '--expires', '30d')

  const clock = new FakeClock(new Date(Date.now() + 60_000).toISOString())
  const { out } = await runCommand(['policy', 'effective', url], { home, cwd: home, clock })
  const [, granted = ''] = out.split(/^Granted, without a challenge .*$/m)
  assert.deepEqual(
    granted
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/ +/).slice(0, 3)),
    [
      ['ip', '10.0.0.9', 'until'],
      ['dns', '*.key.b.test', 'until'],
      ['dns', 'own.b.test', 'until'],
    ],
  )
  assert.match(granted, /own\.b\.test {2}until 20\S+, owner ann \(a printer\), grt_\S+ of acc_/)
  const json = JSON.parse((await runCommand(['policy', 'effective', url, '--json'], { home, cwd: home, clock })).out)
  assert.equal(json.grants.length, 3)
})

test('policy replay says what a changed file would have refused, shortened and allowed, and nothing of what stays', async () => {
  await journey.issue(client, ['stays.corp.test'])
  await journey.issue(client, ['lost.corp.test'])
  await journey.issue(client, ['short.corp.test'])
  const refused = await client.newOrder(['new.other.test'])
  assert.equal(refused.status, 403)
  const next = await file(
    'next.yaml',
    `  - { name: stays, names: { dns: [stays.corp.test] } }
  - { name: short, names: { dns: [short.corp.test] }, with: { maxLifetime: 1h } }
  - { name: other, names: { dns: ['*.other.test'] } }`,
  )
  const { code, out } = await policy('replay', '--since', '1h', '--with', next)
  assert.equal(code, 1)
  assert.match(out, /^would be REFUSED .* dns:lost\.corp\.test .*ord_[\w-]{22} req_[\w-]{22}\n {4}rule names\.dns: /m)
  assert.match(out, /^would be shorter .* dns:short\.corp\.test .*\n {4}3600 s$/m)
  assert.match(out, /^would be allowed as an order .* dns:new\.other\.test .*\n {4}rule other: /m)
  assert.doesNotMatch(out, /dns:stays\.corp\.test/)
  assert.match(out, /4 decisions since .*: 1 the same, 1 would be refused, 1 would be shorter, 1 would be allowed/)
  const json = JSON.parse((await policy('replay', '--with', next, '--json', '--count', '1')).out)
  assert.equal(json.counts.refused, 1)
  assert.equal(json.differences.length, 1)
  const same = await policy('replay', '--with', 'rules.yaml')
  assert.equal(same.code, 0, same.out)
  assert.match(same.out, /4 the same, 0 would be refused/)
  const future = new Date(Date.now() + 3_600_000).toISOString()
  assert.match((await policy('replay', '--since', future, '--with', next)).out, /^0 decisions since/)
  const long = await policy('replay', '--since', '400d', '--with', next)
  assert.match(long.err, /are not kept any more \(retention\.decisions\)/)
  const nonsense = await policy('replay', '--since', 'ever')
  assert.equal(nonsense.code, 2, 'the command line was wrong, not the configuration')
  assert.match(nonsense.err, /^chancery: --since: ever is not a length of time; write it as/)
})

test('policy versions tells of each file in force, and prints one as it was', async () => {
  const list = await policy('versions')
  assert.match(list.out, /^[0-9a-f]{16,64} {2}first 20.*, last read 20.*, \d+ characters, by ann$/)
  const version = list.out.split(' ', 1)[0] ?? ''
  const { out } = await policy('versions', version.slice(0, 8))
  assert.equal(`${out}\n`, IN_FORCE)
  assert.equal((await policy('versions', 'ffffffffff')).code, 1)
  assert.equal((await policy('versions', version.slice(0, 3))).code, 1)
  const explained = await client.newOrder(['never.example'])
  const reference = /req_[\w-]{22}/.exec(explained.json.detail)?.[0] ?? assert.fail(explained.text)
  const story = await runCommand(['explain', reference], { home })
  assert.match(story.out, new RegExp(`policy +version ${version}, by ann, in force since 20`))
})

test('policy schema is JSON Schema in which nothing unknown is allowed', async () => {
  const schema = JSON.parse((await policy('schema')).out)
  assert.match(schema.$schema, /json-schema\.org/)
  assert.equal(schema.additionalProperties, false)
  assert.ok(schema.properties.rules)
})

test('without a policy file effective lists every kind of name that the configuration allows and denies', async () => {
  const own = await startJourney({
    set: [
      'policies.default.allow.uri=spiffe://a.test/**',
      'policies.default.allow.email=*@a.test',
      'policies.default.deny.uri=spiffe://a.test/root',
      'policies.default.deny.email=root@a.test',
    ],
  })
  try {
    const account = await own.registered()
    const set = [
      'allow.uri=spiffe://a.test/**',
      'allow.email=*@a.test',
      'deny.uri=spiffe://a.test/root',
      'deny.email=root@a.test',
    ]
    const { out } = await runCommand(
      [
        'policy',
        'effective',
        account.accountUrl ?? '',
        ...set.flatMap((text) => ['--set', `policies.default.${text}`]),
      ],
      { home: own.chancery.home },
    )
    assert.match(
      out,
      /^May hold, by policies\.default\n(?: {2}.*\n)* {2}uri +spiffe:\/\/a\.test\/\*\*\n {2}email +\*@a\.test$/m,
    )
    assert.match(out, /^Never, by policies\.default\n {2}uri +spiffe:\/\/a\.test\/root\n {2}email +root@a\.test$/m)
  } finally {
    await own.close()
  }
})

test('without a policy file the policies of the configuration are asked', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'chancery-empty-'))
  try {
    const run = (...words: string[]) => runCommand(['policy', ...words], { home: empty })
    const { code, out } = await run('try', '--dns', 'a.test')
    assert.equal(code, 0, out)
    assert.match(out, /allowed by +rule policies\.default\.allow\.dns/)
    assert.equal((await run('try', '--dns', 'a.example')).code, 1)
    assert.equal((await run('test')).code, 2)
    assert.equal((await run('versions')).code, 1)
  } finally {
    await rm(empty, { recursive: true, force: true })
  }
})
