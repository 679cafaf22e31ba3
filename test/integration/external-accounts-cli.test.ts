import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Journey, startJourney } from '../support/acme-journey.ts'
import type { AcmeTestClient } from '../support/acme-test-client.ts'
import { type CliResult, cliBeside, handedOut } from '../support/cli-beside.ts'

const SET = ['directories.default.externalAccount=required', 'directories.edge.externalAccount=required']

let journey: Journey
let cli: (...argv: readonly string[]) => Promise<CliResult>
before(async () => {
  journey = await startJourney({ set: SET })
  cli = cliBeside(journey.chancery.home, SET)
})
after(() => journey?.close())

const path = (name: string): string => join(journey.chancery.home, name)

async function ok(...argv: readonly string[]): Promise<CliResult> {
  const result = await cli(...argv)
  assert.equal(result.code, 0, result.out + result.err)
  return result
}

async function register({ id, macKey }: { id: string; macKey: Buffer }, directory = 'default') {
  const client = journey.client({ directory })
  const reply = await client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey) })
  return { client, status: reply.status }
}

const place = async (client: AcmeTestClient): Promise<number> => (await client.newOrder(['a.test'])).status
const shown = async (id: string) => JSON.parse((await ok('eab', 'show', id, '--json')).out)

test('a key is made with all that is noted, for several directories and accounts, and shown without its secret', async () => {
  const flags = [
    '--directory',
    'default',
    '--directory',
    'edge',
    '--uses',
    '2',
    '--label',
    'db hosts',
    '--owner',
    'Ann',
  ]
  const facts = ['--attribute', 'host=db1', '--attribute', 'site=a=b', '--group', 'databases', '--scope', 'db-names']
  const made = handedOut(await ok('eab', 'create', ...flags, ...facts, '--expires', '30d'))
  const key = await shown(made.id)
  assert.deepEqual(key.attributes, { host: 'db1', site: 'a=b' })
  assert.deepEqual([key.directories, key.groups, key.scope], [['default', 'edge'], ['databases'], ['db-names']])
  assert.equal(key.expiresAt, key.accountsEndAt)
  for (const directory of ['default', 'edge']) assert.equal((await register(made, directory)).status, 201)
  assert.equal((await register(made)).status, 403)
  const after = await shown(made.id)
  assert.deepEqual([after.state, after.uses, after.accountCount], ['used', { allowed: 2, made: 2 }, 2])
  const words = (await ok('eab', 'show', made.id)).out
  assert.match(words, /^Attribute: +site=a=b$/m)
  for (const text of [words, JSON.stringify(after), (await ok('eab', 'list', '--json')).out])
    assert.equal(text.includes(made.macKey.toString('base64url')), false)
})

test('keys are listed by what is noted of them', async () => {
  const made = handedOut(await ok('eab', 'create', '--group', 'listed', '--attribute', 'rack=7', '--label', 'found'))
  const other = handedOut(await ok('eab', 'create', '--group', 'listed'))
  const ids = async (...filter: string[]) =>
    JSON.parse((await ok('eab', 'list', '--json', '--group', 'listed', ...filter)).out).map(
      ({ id }: { id: string }) => id,
    )
  assert.deepEqual(new Set(await ids()), new Set([made.id, other.id]))
  assert.deepEqual(await ids('--attribute', 'rack=7'), [made.id])
  assert.deepEqual(await ids('--attribute', 'toString=7'), [])
  assert.deepEqual(await ids('--state', 'revoked'), [])
  assert.equal((await cli('eab', 'list', '--state', 'gone')).code, 2)
})

test('expire stops the accounts, update lets them go on, revoke ends them for good; each at the next request', async () => {
  const made = handedOut(await ok('eab', 'create'))
  const { client } = await register(made)
  assert.equal(await place(client), 201)
  await ok('eab', 'expire', made.id)
  assert.equal(await place(client), 403)
  await ok('eab', 'update', made.id, '--expires', '1d', '--attribute', 'x=1')
  assert.equal(await place(client), 201)
  await ok('eab', 'revoke', made.id)
  assert.equal(await place(client), 403)
  assert.equal((await cli('eab', 'update', made.id, '--expires', '1d')).code, 1)
  assert.equal((await cli('eab', 'revoke', made.id)).code, 1)

  const kept = handedOut(await ok('eab', 'create'))
  const { client: going } = await register(kept)
  await ok('eab', 'revoke', kept.id, '--keep-accounts')
  assert.equal(await place(going), 201)
})

test('a rotated key and its successor both register until the overlap ends, and the accounts of the old one go on', async () => {
  const old = handedOut(await ok('eab', 'create', '--uses', 'unlimited', '--attribute', 'host=a'))
  const { client } = await register(old)
  const next = handedOut(await ok('eab', 'rotate', old.id, '--overlap', '1h'))
  assert.equal((await register(old)).status, 201)
  assert.equal((await register(next)).status, 201)
  assert.deepEqual((await shown(next.id)).attributes, { host: 'a' })
  assert.equal((await shown(next.id)).lineage, old.id)
  assert.equal(await place(client), 201)
  assert.equal((await cli('eab', 'rotate', old.id)).code, 1)
  await ok('eab', 'revoke', next.id)
  assert.equal(await place(client), 403, 'the end of the newest is the end of all')
})

test('a rotation brings nobody back: accounts of an older key that was expired stay stopped', async () => {
  const first = handedOut(await ok('eab', 'create'))
  const { client: early } = await register(first)
  const second = handedOut(await ok('eab', 'rotate', first.id))
  const { client: late } = await register(second)
  await ok('eab', 'expire', first.id)
  assert.deepEqual([await place(early), await place(late)], [403, 201])
  await ok('eab', 'rotate', second.id, '--expires', '30d')
  assert.deepEqual([await place(early), await place(late)], [403, 201])
  assert.equal((await shown(second.id)).accounts, 'go on')
  assert.notEqual((await shown(second.id)).accountsEndAt, null, 'those of the newest end with its successor')
})

test('a thousand hosts are imported at once; the secrets are in a file of their own, and work', async () => {
  const rows = Array.from(
    { length: 1000 },
    (_, i) => `host ${i},Ann,servers;web,unlimited,90d,yes,h${i}.corp.test,"4,${i}"`,
  )
  await writeFile(
    path('hosts.csv'),
    ['label,owner,groups,uses,expires,keepAccounts,attribute.host,attribute.cost', ...rows].join('\n'),
  )
  const { out, err } = await ok('eab', 'import', path('hosts.csv'), '--out', path('secrets.json'))
  assert.match(out, /1000 keys are made/)
  assert.equal((await stat(path('secrets.json'))).mode & 0o777, 0o600)
  const secrets = JSON.parse(await readFile(path('secrets.json'), 'utf8'))
  assert.equal(secrets.length, 1000)
  const { id, macKey, attributes } = secrets[771]
  assert.deepEqual(attributes, { host: 'h771.corp.test', cost: '4,771' })
  for (const secret of secrets) assert.equal((out + err).includes(secret.macKey), false)
  assert.equal((await register({ id, macKey: Buffer.from(macKey, 'base64url') })).status, 201)
  assert.equal((await shown(id)).accountsEndAt, null)

  const again = await cli('eab', 'import', path('hosts.csv'), '--out', path('secrets.json'))
  assert.equal(again.code, 1)
  assert.match(again.err, /there already/)
})

test('every fault of a file is told with its line, and then nothing of it is made', async () => {
  const lines = ['label,uses,directories,attribute.a b,macKey', 'fine,1,,,', 'bad,0,,x,', 'bad,1,nowhere,,c2hvcnQ']
  await writeFile(path('faulty.csv'), lines.join('\n'))
  const before = JSON.parse((await ok('eab', 'list', '--json')).out).length
  const { code, err } = await cli('eab', 'import', path('faulty.csv'), '--out', path('never.json'))
  assert.equal(code, 1)
  for (const fault of [
    /line 3: uses/,
    /line 3: an attribute is named by/,
    /line 4: there is no directory "nowhere"/,
    /line 4: macKey/,
  ])
    assert.match(err, fault)
  assert.equal(err.includes('c2hvcnQ'), false, 'no secret is shown')
  assert.equal(err.includes('line 2'), false)
  await assert.rejects(stat(path('never.json')))
  assert.equal(JSON.parse((await ok('eab', 'list', '--json')).out).length, before)

  for (const [text, fault] of [
    ['[{"lable":"x"}]', /key 1: the member "lable" is unknown/],
    ['{}', /not an array/],
    ['[', /not JSON/],
    ['[1,{"attributes":{"a":1}},{"groups":"x"}]', /key 1: it is not an object/],
  ] as const) {
    await writeFile(path('faulty.json'), text)
    assert.match((await cli('eab', 'import', path('faulty.json'), '--check')).err, fault)
  }
})

test('what is exported with its secrets is what another server imports; without them there is none in it', async () => {
  const made = handedOut(
    await ok('eab', 'create', '--owner', '=cmd()', '--group', 'moved', '--label', '@x', '--uses', '7'),
  )
  const plain = (await ok('eab', 'export', '--group', 'moved')).out
  assert.match(plain, new RegExp(`^${made.id},'@x,'=cmd\\(\\),default,moved,,7,`, 'm'))
  assert.equal(plain.includes(made.macKey.toString('base64url')), false)
  assert.equal((await cli('eab', 'export', '--with-secrets')).code, 2)
  for (const format of ['csv', 'json']) {
    const file = path(`moved.${format}`)
    await ok('eab', 'export', '--group', 'moved', '--with-secrets', '--out', file)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const clash = await cli('eab', 'import', file, '--out', path(`clash.${format}`))
    assert.match(clash.err, new RegExp(`these ids are there already.*${made.id}`))
    await assert.rejects(stat(path(`clash.${format}`)))
  }
  const other = await startJourney({ set: SET })
  try {
    const there = cliBeside(other.chancery.home, SET)
    const imported = await there('eab', 'import', path('moved.csv'), '--out', path('there.csv'))
    assert.equal(imported.code, 0, imported.err)
    const [key] = JSON.parse((await there('eab', 'list', '--json')).out)
    assert.deepEqual(
      [key.id, key.label, key.owner, key.groups, key.uses.allowed],
      [made.id, '@x', '=cmd()', ['moved'], 7],
    )
    const client = other.client()
    const binding = await client.externalAccountBinding(made.id, made.macKey)
    assert.equal((await client.newAccount({ externalAccountBinding: binding })).status, 201)
  } finally {
    await other.close()
  }
})

test('a key that makes no more accounts is not exported as one that does', async () => {
  const made = handedOut(await ok('eab', 'create', '--group', 'ended', '--expires', '365d'))
  await ok('eab', 'expire', made.id, '--keep-accounts', '--at', '2d')
  const { expiresAt, accountsEndAt } = await shown(made.id)
  assert.ok(expiresAt < accountsEndAt)
  const [, row = ''] = (await ok('eab', 'export', '--group', 'ended')).out.split('\r\n')
  assert.ok(row.includes(`,${expiresAt},`), row)
  assert.equal(row.includes(accountsEndAt), false)
})

test('what cannot be noted is refused before anything is made', async () => {
  for (const argv of [
    ['--attribute', 'novalue'],
    ['--attribute', 'a=1', '--attribute', 'a=2'],
    ['--attribute', '9=x'],
    ['--attribute', '__proto__=x'],
    ['--attribute', 'a=line\nbreak'],
    ['--attribute', `a=${'x'.repeat(501)}`],
    ['--attribute', 'a='],
    ['--attribute', 'a= x'],
    ['--group', 'a,b'],
    ['--uses', '0'],
    ['--uses', '1e3'],
    ['--label', 'a\u202Eb'],
    ['--directory', 'nowhere'],
    ['--expires', '2020-01-01T00:00:00Z'],
    Array.from({ length: 51 }, (_, i) => ['--attribute', `a${i}=1`]).flat(),
  ])
    assert.equal((await cli('eab', 'create', ...argv)).code, 2, argv.join(' '))
})
