import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Journey, startJourney } from '../support/acme-journey.ts'
import type { AcmeTestClient } from '../support/acme-test-client.ts'
import { type CliResult, cliBeside, handedOut } from '../support/cli-beside.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../support/postgres-server.ts'

/** Each command that reads or writes the database, beside a server, on an engine: the operator sees the same on all. */
function theCommands(urlOf: () => Promise<string | undefined>): void {
  let journey: Journey
  let client: AcmeTestClient
  let set: string[]
  let cli: (...argv: readonly string[]) => Promise<CliResult>
  before(async () => {
    const url = await urlOf()
    set = ['directories.bound.externalAccount=required', ...(url === undefined ? [] : [`store.url=${url}`])]
    journey = await startJourney({ set })
    cli = cliBeside(journey.chancery.home, set)
    client = await journey.registered()
  })
  after(() => journey?.close())

  const file = (name: string): string => join(journey.chancery.home, name)
  const idOf = (account: AcmeTestClient): string => account.accountUrl?.split('/').at(-1) ?? assert.fail()
  async function ok(...argv: readonly string[]): Promise<string> {
    const { code, out, err } = await cli(...argv)
    assert.equal(code, 0, `${argv.join(' ')}: ${out}${err}`)
    return out
  }
  async function fails(code: number, message: RegExp, ...argv: readonly string[]): Promise<void> {
    const result = await cli(...argv)
    assert.equal(result.code, code, `${argv.join(' ')}: ${result.out}${result.err}`)
    assert.match(result.err, message)
    assert.doesNotMatch(result.err, /\n\s+at /, 'no stack')
  }
  async function bound(key: { readonly id: string; readonly macKey: Buffer }): Promise<AcmeTestClient> {
    const made = journey.client({ directory: 'bound' })
    const reply = await made.newAccount({
      externalAccountBinding: await made.externalAccountBinding(key.id, key.macKey),
    })
    assert.equal(reply.status, 201, reply.text)
    return made
  }

  test('explain tells of a refusal, an order and a revoked certificate', async () => {
    const refused = await client.newOrder(['www.elsewhere.example'])
    const reference = /req_[\w-]{22}/.exec(refused.json.detail)?.[0] ?? assert.fail(refused.text)
    assert.match(
      await ok('explain', reference),
      /refused by +rule policies\.default\.allow\.dns for dns:www\.elsewhere/,
    )
    const { placed, leaf } = await journey.issue(client, ['told.test'])
    const revoked = await client.post((await client.directory())['revokeCert'] ?? '', {
      certificate: leaf.raw.toString('base64url'),
      reason: 4,
    })
    assert.equal(revoked.status, 200, revoked.text)
    for (const word of [placed.url, leaf.serialNumber]) {
      const out = await ok('explain', word)
      assert.match(out, /^ {2}policy +version [0-9a-f]{64}, by \S+, in force since 20/m)
      assert.match(out, /was revoked 20\S+ \(reason 4\)/)
      assert.match(out, /^ {2}20\S+ {2}certificate\.revoked /m)
    }
    assert.equal(JSON.parse(await ok('explain', '--json', placed.url)).certificates.length, 1)
    await fails(1, /nothing is known of/, 'explain', `ord_${'a'.repeat(22)}`)
  })

  test('policy try, effective, replay and versions ask the database', async () => {
    await journey.issue(client, ['asked.test'])
    const account = client.accountUrl ?? ''
    await ok('policy', 'try', '--account', account, '--dns', 'asked.test')
    assert.match(await ok('policy', 'effective', account), /^May hold, by policies\.default$/m)
    assert.match(await ok('policy', 'replay', '--since', '1h'), /^\d+ decisions since/m)
    await writeFile(file('next.yaml'), "version: 1\nrules: [{ name: other, names: { dns: ['other.test'] } }]\n")
    const replayed = await cli('policy', 'replay', '--with', 'next.yaml', '--json')
    assert.equal(replayed.code, 1)
    assert.ok(JSON.parse(replayed.out).counts.refused >= 1)
    const [first] = JSON.parse(await ok('policy', 'versions', '--json'))
    assert.match(await ok('policy', 'versions', first.version), /"\*\*\.test"/)
    const gone = `acc_${'a'.repeat(22)}`
    await fails(1, /there is no account/, 'policy', 'effective', gone)
    await fails(1, /there is no account/, 'policy', 'try', '--account', gone, '--dns', 'a.test')
  })

  test('external account keys are made, found, changed, rotated, expired, revoked, exported and imported', async () => {
    const made = handedOut(await cli('eab', 'create', '--directory', 'bound', '--uses', '2', '--group', 'web'))
    const holder = await bound(made)
    assert.match(await ok('eab', 'list', '--group', 'web'), new RegExp(made.id))
    await ok('eab', 'update', made.id, '--owner', 'Ann', '--attribute', 'site=x')
    const shown = JSON.parse(await ok('eab', 'show', made.id, '--json'))
    assert.deepEqual([shown.owner, shown.attributes, shown.accountCount], ['Ann', { site: 'x' }, 1])
    assert.match(await ok('policy', 'effective', holder.accountUrl ?? ''), /^ {2}attributes +site=x\n {2}groups +web$/m)
    const next = handedOut(await cli('eab', 'rotate', made.id, '--overlap', '1h'))
    await bound(next)
    await ok('eab', 'export', '--group', 'web', '--with-secrets', '--out', 'keys.json')
    await fails(
      1,
      /these ids are there already, and nothing was made/,
      'eab',
      'import',
      'keys.json',
      '--out',
      'again.json',
    )
    await writeFile(file('new.csv'), 'label,directories\nfirst,bound\nsecond,bound\n')
    assert.match(await ok('eab', 'import', 'new.csv', '--out', 'made.csv'), /^2 keys are made/)
    await ok('eab', 'expire', next.id)
    assert.equal((await holder.newOrder(['a.test'])).status, 403, 'it counts at the next request')
    await ok('eab', 'update', next.id, '--expires', '1d')
    assert.equal((await holder.newOrder(['a.test'])).status, 201)
    await ok('eab', 'revoke', next.id)
    assert.equal((await holder.newOrder(['a.test'])).status, 403)
    await fails(1, /was revoked before/, 'eab', 'revoke', next.id)
    await fails(1, /there is no external account key/, 'eab', 'show', `eab_${'a'.repeat(22)}`)
  })

  test('a name is granted, shown, used without a challenge and taken back', async () => {
    const holder = await journey.registered()
    const out = await ok(
      'preauthorize',
      'add',
      'granted.test',
      '--account',
      idOf(holder),
      '--owner',
      'Ann',
      '--expires',
      '1d',
    )
    const grant = out.split(':')[0] ?? ''
    assert.match(await ok('preauthorize', 'list', '--account', idOf(holder)), new RegExp(`^${grant} `))
    assert.match(await ok('policy', 'effective', holder.accountUrl ?? ''), /^ {2}dns +granted\.test {2}until 20/m)
    const order = await holder.newOrder(['granted.test'])
    assert.equal(order.json.status, 'ready', order.text)
    await ok('preauthorize', 'revoke', grant)
    assert.equal((await holder.postAsGet(order.headers.location ?? '')).json.status, 'invalid')
    assert.doesNotMatch(await ok('policy', 'effective', holder.accountUrl ?? ''), /granted\.test/)
    await fails(1, /was revoked before/, 'preauthorize', 'revoke', grant)
  })

  test('limits are listed and cleared, and a clock that was ahead is accepted', async () => {
    const key = (await ok('limits', 'list')).split(' ')[0] ?? ''
    assert.match(key, /^\w+:/)
    await ok('limits', 'clear', key)
    await fails(1, /there is no such key/, 'limits', 'clear', 'nothing:at-all')
    assert.match(await ok('clock', 'accept'), /there is nothing to accept/)
  })

  test('check, backup and backup verify look at the whole of it', async () => {
    const { out, err } = await cli('check', '--set', `publicUrl=${journey.chancery.urls.base}`)
    assert.equal(err, '')
    assert.match(out, /ok {5}store .*schema is current/)
    await ok('backup', '--to', 'copy')
    assert.match(await ok('backup', 'verify', 'copy'), /whole and unchanged/)
  })
}

describe('the commands on SQLite', () => theCommands(async () => undefined))

describe('the commands on PostgreSQL', { skip: missingPostgres() ?? false }, () => {
  let server: PostgresServer
  after(() => server?.stop())
  theCommands(async () => {
    server = await startPostgres()
    return server.url(await server.createDatabase())
  })

  test('each of them says that the server is away, in words and without a stack', async () => {
    const cli = cliBeside('/nonexistent', [
      'store.url=postgres://nobody@127.0.0.1:1/nothing',
      'store.postgres.connectTimeout=1',
    ])
    const account = `acc_${'a'.repeat(22)}`
    for (const words of [
      ['explain', '4f01'],
      ['policy', 'effective', account],
      ['policy', 'replay'],
      ['policy', 'versions'],
      ['policy', 'try', '--account', account, '--dns', 'a.test'],
    ]) {
      const { code, err } = await cli(...words)
      assert.equal(code, 1, words.join(' '))
      assert.match(err, /^chancery: postgres:\/\/127\.0\.0\.1:1\/nothing: the database cannot be reached/)
      assert.doesNotMatch(err, /\n\s+at /)
    }
  })
})
