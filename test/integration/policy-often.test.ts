import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { assertRefused, headerLines, type Journey, startJourney } from '../support/acme-journey.ts'

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
