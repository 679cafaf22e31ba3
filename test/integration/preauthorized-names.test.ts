import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { challengeOf, type Journey, type Placed, startJourney } from '../support/acme-journey.ts'
import type { AcmeTestClient } from '../support/acme-test-client.ts'
import { type CliResult, cliBeside, handedOut } from '../support/cli-beside.ts'

const RULES = `
version: 1
rules:
  - name: anything
    names: { dns: ['**.a.test'], wildcards: true }
  - name: proved-by-hand
    names: { dns: ['*.strict.test'] }
    challenges: { dns: http-01 }
  - name: proved-or-granted
    names: { dns: ['*.either.test'] }
    challenges: { dns: [http-01, pre-authorized] }
`
const SET = ['policy.file=rules.yaml', 'directories.default.externalAccount=optional']

let home: string
let journey: Journey
let cli: (...argv: readonly string[]) => Promise<CliResult>
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-granted-'))
  await writeFile(join(home, 'rules.yaml'), RULES)
  journey = await startJourney({ home, set: SET })
  cli = cliBeside(home, SET)
})
after(async () => {
  await journey?.close()
  await rm(home, { recursive: true, force: true })
})

const accountId = (client: AcmeTestClient): string => client.accountUrl?.split('/').at(-1) ?? ''

async function grant(name: string, ...holder: readonly string[]): Promise<string> {
  const made = await cli('preauthorize', 'add', name, ...holder, '--owner', 'Ann', '--expires', '1h', '--note', 'move')
  assert.equal(made.code, 0, made.err)
  return /^grt_\S{22}/.exec(made.out)?.[0] ?? ''
}

async function finalize(client: AcmeTestClient, placed: Placed, names: readonly string[]) {
  return client.post(placed.finalize, { csr: client.csr(names).base64url })
}

test('a granted name and a granted wildcard are valid from the first, in the form clients read, and are issued', async () => {
  const client = await journey.registered()
  const names = ['www.a.test', '*.b.a.test']
  for (const name of names) await grant(name, '--account', accountId(client))
  const placed = await journey.place(client, names)
  assert.equal(placed.reply.json.status, 'ready')
  for (const { status, challenges, wildcard } of placed.authorizations) {
    assert.equal(status, 'valid')
    assert.equal(challenges.length, 1)
    const [challenge] = challenges
    assert.equal(challenge?.status, 'valid')
    if (wildcard === true) assert.equal(challenge?.type, 'dns-01')
    assert.equal((await client.postAsGet(challenge!.url)).json.status, 'valid')
    assert.equal((await client.post(challenge!.url, {})).json.status, 'valid')
  }
  const { leaf } = await journey.issue(client, names)
  assert.match(leaf.subjectAltName ?? '', /DNS:www\.a\.test, DNS:\*\.b\.a\.test/)
  const again = await journey.place(client, ['www.a.test'])
  assert.equal(again.authorizations[0]?.url, placed.authorizations[0]?.url, 'and is used again')
})

test('KF-A06 nothing else is granted with it: no other account, no child, no wildcard of the name, no name of the wildcard', async () => {
  const client = await journey.registered()
  await grant('exact.a.test', '--account', accountId(client))
  await grant('*.wild.a.test', '--account', accountId(client))
  for (const name of ['x.exact.a.test', '*.exact.a.test', 'wild.a.test', 'x.wild.a.test', 'x.y.wild.a.test']) {
    const { authorizations } = await journey.place(client, [name])
    assert.equal(authorizations[0]?.status, 'pending', name)
  }
  const other = await journey.registered()
  assert.equal((await journey.place(other, ['exact.a.test'])).authorizations[0]?.status, 'pending')
})

test('a grant that is revoked fails the order that was ready by it, and the next one asks for a challenge', async () => {
  const client = await journey.registered()
  const id = await grant('back.a.test', '--account', accountId(client))
  const placed = await journey.place(client, ['back.a.test'])
  assert.equal((await cli('preauthorize', 'revoke', id)).code, 0)
  const refused = await finalize(client, placed, ['back.a.test'])
  assert.equal(refused.status, 403, refused.text)
  assert.match(refused.json.detail, /taken back/)
  assert.equal((await client.postAsGet(placed.url)).json.status, 'invalid')
  assert.equal((await client.postAsGet(placed.authorizations[0]!.url)).json.status, 'revoked')
  assert.equal((await journey.place(client, ['back.a.test'])).authorizations[0]?.status, 'pending')
  assert.equal((await cli('preauthorize', 'revoke', id)).code, 1)
})

test('a grant to an external account key is for all its accounts, and for those of its successor', async () => {
  const key = handedOut(await cli('eab', 'create', '--uses', 'unlimited'))
  const register = async ({ id, macKey }: typeof key) => {
    const client = journey.client()
    const externalAccountBinding = await client.externalAccountBinding(id, macKey)
    assert.equal((await client.newAccount({ externalAccountBinding })).status, 201)
    return client
  }
  const first = await register(key)
  await grant('shared.a.test', '--key', key.id)
  const next = handedOut(await cli('eab', 'rotate', key.id))
  for (const client of [first, await register(next)]) {
    const placed = await journey.place(client, ['shared.a.test'])
    assert.equal(placed.authorizations[0]?.status, 'valid')
    assert.equal((await finalize(client, placed, ['shared.a.test'])).status, 200)
  }
  assert.match((await cli('preauthorize', 'list', '--key', next.id)).out, /shared\.a\.test {2}until .* {2}Ann {2}move/)
})

test('policy has the last word: a rule that asks for another proof gets it, and a name that no rule allows stays refused', async () => {
  const client = await journey.registered()
  for (const name of ['x.strict.test', 'x.either.test', 'nowhere.test'])
    await grant(name, '--account', accountId(client))
  const strict = await journey.place(client, ['x.strict.test'])
  assert.equal(strict.authorizations[0]?.status, 'pending')
  assert.equal(challengeOf(strict.authorizations[0]!).status, 'pending')
  const either = await journey.place(client, ['x.either.test'])
  assert.equal((await finalize(client, either, ['x.either.test'])).status, 200)
  assert.equal((await client.newOrder(['nowhere.test'])).status, 403)
})

test('a name is valid in advance by newAuthz too, and a pending authorization gives way to a grant', async () => {
  const client = await journey.registered()
  const before = await journey.place(client, ['later.a.test'])
  assert.equal(before.authorizations[0]?.status, 'pending')
  await grant('later.a.test', '--account', accountId(client))
  const { newAuthz } = (await client.get(client.directoryUrl)).json
  const reply = await client.post(newAuthz, { identifier: { type: 'dns', value: 'later.a.test' } })
  assert.deepEqual([reply.status, reply.json.status], [201, 'valid'])
  assert.equal((await journey.place(client, ['later.a.test'])).authorizations[0]?.url, reply.headers.location)
})

test('a grant without holder, owner or end, or for what is no name, is none', async () => {
  const client = await journey.registered()
  const whole = ['--account', accountId(client), '--owner', 'Ann', '--expires', '1h']
  const without = (flag: string) => whole.filter((_, i) => whole[i] !== flag && whole[i - 1] !== flag)
  for (const flag of ['--account', '--owner', '--expires'])
    assert.equal((await cli('preauthorize', 'add', 'x.a.test', ...without(flag))).code, 2, flag)
  for (const name of ['**.a.test', '*', 'a..test', 'x.*.a.test', 'http://a.test'])
    assert.equal((await cli('preauthorize', 'add', name, ...whole)).code, 2, name)
  const never = ['--account', accountId(client), '--owner', 'Ann', '--expires', 'never']
  assert.equal((await cli('preauthorize', 'add', 'x.a.test', ...never)).code, 2)
  const unknown = ['--account', `acc_${'A'.repeat(22)}`, '--owner', 'Ann', '--expires', '1h']
  assert.equal((await cli('preauthorize', 'add', 'x.a.test', ...unknown)).code, 1)
})
