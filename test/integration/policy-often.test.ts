import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { assertRefused, headerLines, type Journey, startJourney } from '../support/acme-journey.ts'
import { startTestChancery } from '../support/chancery.ts'
import { runCommand } from '../support/cli.ts'

/** How often a name may be certified: asked at newOrder, and once more when the certificate is reserved. */
const RULES = `
version: 1
rules:
  - name: renew
    names: { dns: ['**.renew.test'] }
    often: { renewAfter: 0.5 }
  - name: count
    names: { dns: ['**.count.test'] }
    often: { perName: { count: 2, per: 1h } }
  - name: helpdesk
    for: { directories: [desk] }
    names: { dns: ['**.count.test'] }
`

let home: string
let journey: Journey
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'chancery-often-'))
  await writeFile(join(home, 'rules.yaml'), RULES)
  journey = await startJourney({ home, set: ['policy.file=rules.yaml', 'directories.desk.challenges=["http-01"]'] })
})
after(async () => {
  await journey?.close()
  await rm(home, { recursive: true, force: true })
})

test('KF-F07 a renewal before its time is rateLimited, with the instant from which it may come', async () => {
  const client = await journey.registered()
  await journey.issue(client, ['a.renew.test'])
  const refused = await client.newOrder(['a.renew.test', 'b.renew.test'])
  assert.match(assertRefused(refused, 429, 'rateLimited'), /a\.renew\.test.*not due.*rule renew.*reference req_/)
  const [seconds] = headerLines(refused, 'retry-after')
  // Half of a day, less what the certificate is dated back.
  assert.ok(Number(seconds) > 42_000 && Number(seconds) <= 43_200, String(seconds))
  assert.equal(refused.json.subproblems.length, 1)
  assert.equal((await client.newOrder(['b.renew.test'])).status, 201)
})

test('another account is not held back by the renewals of the first, and a revoked certificate may be replaced at once', async () => {
  const [ann, bob] = [await journey.registered(), await journey.registered()]
  const { leaf } = await journey.issue(ann, ['c.renew.test'])
  await journey.issue(bob, ['c.renew.test'])
  assertRefused(await ann.newOrder(['c.renew.test']), 429, 'rateLimited')
  const revoked = await ann.post((await ann.directory())['revokeCert'] ?? '', {
    certificate: leaf.raw.toString('base64url'),
    reason: 4,
  })
  assert.equal(revoked.status, 200, revoked.text)
  await journey.issue(ann, ['c.renew.test'])
  assertRefused(await ann.newOrder(['c.renew.test']), 429, 'rateLimited')
})

test('certificates of a name are counted over all accounts and rules, and another rule may still allow it', async () => {
  const [ann, bob, desk] = [
    await journey.registered(),
    await journey.registered(),
    await journey.registered({ directory: 'desk' }),
  ]
  await journey.issue(ann, ['x.count.test'])
  await journey.issue(desk, ['x.count.test'])
  const refused = await bob.newOrder(['x.count.test'])
  assert.match(assertRefused(refused, 429, 'rateLimited'), /had 2 certificates in 3600 s/)
  assert.ok(Number(headerLines(refused, 'retry-after')[0]) <= 3600)
  await journey.issue(desk, ['x.count.test'])
})

test('policy try judges how often for a real account, and says of a made-up one that it did not', async () => {
  const client = await journey.registered()
  await journey.issue(client, ['try.renew.test'])
  const set = ['--set', 'policy.file=rules.yaml', '--set', 'directories.desk.challenges=["http-01"]']
  const tryIt = (...words: string[]) => runCommand(['policy', 'try', ...words, ...set], { home, cwd: home })
  const account = client.accountUrl ?? ''
  for (const file of [[], ['--file', 'rules.yaml']]) {
    const early = await tryIt('--account', account, '--dns', 'try.renew.test', ...file)
    assert.equal(early.code, 1, early.err)
    assert.match(
      early.out,
      /refused by +rule renew for dns:try\.renew\.test \(often\): .*not due for renewal; come back at/,
    )
    const later = new Date(Date.now() + 20 * 3_600_000).toISOString()
    const due = await tryIt('--account', account, '--dns', 'try.renew.test', '--at', later, ...file)
    assert.equal(due.code, 0, due.out)
    assert.doesNotMatch(due.out, /Not judged/)
  }
  const madeUp = await tryIt('--dns', 'try.renew.test')
  assert.equal(madeUp.code, 0)
  assert.match(madeUp.out, /^Not judged: how often, of which rule renew says something/m)
  assert.deepEqual(JSON.parse((await tryIt('--dns', 'try.renew.test', '--json')).out).oftenNotJudged, ['renew'])
  const free = await tryIt('--dns', 'try.count.test', '--directory', 'desk')
  assert.doesNotMatch(free.out, /Not judged/, 'a rule without `often` allows it')
})

test('policy replay says of how many it did not judge how often', async () => {
  const client = await journey.registered()
  await journey.issue(client, ['replayed.renew.test'])
  const set = ['--set', 'policy.file=rules.yaml', '--set', 'directories.desk.challenges=["http-01"]']
  const replay = (...words: string[]) => runCommand(['policy', 'replay', ...words, ...set], { home, cwd: home })
  const json = JSON.parse((await replay('--json')).out)
  assert.ok(json.counts.oftenNotJudged >= 1 && json.counts.oftenNotJudged < json.counts.decisions)
  const { out } = await replay()
  assert.match(
    out,
    new RegExp(`^${json.counts.oftenNotJudged} of them would be allowed by rules with .often.; whether`, 'm'),
  )
})

test('KF-E04 of many orders that are finalized at once so many are issued as the rule allows; the others stay ready', async () => {
  const client = await journey.registered()
  const placed = []
  for (let i = 0; i < 8; i++) placed.push(await journey.ready(client, ['many.count.test']))
  const replies = await Promise.all(
    placed.map(({ finalize }) => client.post(finalize, { csr: client.csr(['many.count.test']).base64url })),
  )
  const statuses = replies.map(({ status }) => status).sort()
  assert.deepEqual(statuses, [200, 200, 429, 429, 429, 429, 429, 429])
  const [late] = replies.filter(({ status }) => status === 429)
  assert.ok(late)
  assertRefused(late, 429, 'rateLimited')
  const states = await Promise.all(placed.map(async ({ url }) => (await client.postAsGet(url)).json.status))
  assert.deepEqual(states.sort(), ['ready', 'ready', 'ready', 'ready', 'ready', 'ready', 'valid', 'valid'])
})

test('a rule that contradicts renewal information is told of at the start, at a reload, by check and by policy test', async () => {
  const own = await mkdtemp(join(tmpdir(), 'chancery-often-'))
  const file = (renewAfter: number): string =>
    `version: 1\nrules: [{ name: slow, names: { dns: ['**.a.test'] }, often: { renewAfter: ${renewAfter} } }]\n`
  await writeFile(join(own, 'rules.yaml'), file(0.9))
  await writeFile(join(own, 'chancery.yaml'), 'policy: { file: rules.yaml }\n')
  const chancery = await startTestChancery({ home: own })
  try {
    const told = () => chancery.log.of('policy.renewal_conflict').length
    assert.equal(told(), 1)
    for (const words of [
      ['policy', 'test'],
      ['check', '--set', `publicUrl=${chancery.urls.base}`, '--set', `publicHttpUrl=${chancery.urls.publicHttp}`],
    ]) {
      const { out, err, code } = await runCommand(words, { home: own, cwd: own })
      assert.match(out + err, /(note:|WARN) .*rule slow: often\.renewAfter is 0\.9, but renewal information/)
      assert.equal(code, 0, out)
    }
    await writeFile(join(own, 'rules.yaml'), file(0.8))
    assert.equal(await chancery.running.policy?.reload(), 'changed')
    assert.equal(told(), 2)
    await writeFile(join(own, 'rules.yaml'), file(0.5))
    assert.equal(await chancery.running.policy?.reload(), 'changed')
    assert.equal(told(), 2)
  } finally {
    await chancery.stop()
    await rm(own, { recursive: true, force: true })
  }
})
