import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Journey, startJourney } from '../support/acme-journey.ts'
import { AcmeTestClient } from '../support/acme-test-client.ts'
import { runCommand } from '../support/cli.ts'

let journey: Journey
before(async () => {
  journey = await startJourney()
})
after(() => journey.close())

const explain = (...words: string[]) => runCommand(['explain', ...words], { home: journey.chancery.home })

test('the reference in a refusal leads the operator to who asked, for what, and the rules that refused', async () => {
  const client = await journey.registered({}, { contact: ['mailto:ops@corp.test'] })
  const reply = await client.newOrder(['www.elsewhere.example', 'fine.test'])
  assert.equal(reply.status, 403)
  const reference = /req_[\w-]{22}/.exec(reply.json.detail)?.[0] ?? assert.fail(reply.text)
  const { code, out } = await explain(reference)
  assert.equal(code, 0, out)
  assert.match(out, new RegExp(`^${reference}: refused: rule policies\\.default\\.allow\\.dns`))
  assert.match(out, /^Refused as an order at 20/m)
  assert.match(out, /^ {2}names +dns:www\.elsewhere\.example, dns:fine\.test$/m)
  assert.match(
    out,
    /refused by +rule policies\.default\.allow\.dns for dns:www\.elsewhere\.example \(name-not-allowed\)/,
  )
  assert.match(out, /^ {2}contact +mailto:ops@corp\.test$/m)
  const [, version = ''] = /^ {2}policy +version ([0-9a-f]{64}), by \S+, in force since 20/m.exec(out) ?? []
  const rules = await runCommand(['policy', 'versions', version], { home: journey.chancery.home })
  assert.equal(rules.code, 0, rules.err)
  assert.ok(JSON.parse(rules.out).policies.default.allow.dns.includes('**.test'), 'what was in force can be read')
})

test('an order, its URL and the serial of its certificate tell one story, from proof to revocation', async () => {
  const client = await journey.registered()
  const { placed, leaf } = await journey.issue(client, ['story.test'])
  const revoked = await client.post(journey.chancery.running.directories[0]?.urls.revokeCert ?? '', {
    certificate: leaf.raw.toString('base64url'),
    reason: 4,
  })
  assert.equal(revoked.status, 200, revoked.text)
  const serial = leaf.serialNumber
  const colons = serial.replace(/..(?=.)/g, '$&:')
  const orderId = placed.url.slice(placed.url.lastIndexOf('/') + 1)
  for (const word of [placed.url, orderId, serial, colons]) {
    const { code, out } = await explain(word)
    assert.equal(code, 0, out)
    const [first = ''] = out.split('\n')
    assert.match(first, new RegExp(`: certificate ${serial.toLowerCase()} was revoked 20.* \\(reason 4\\)$`))
    assert.match(out, new RegExp(`^Order ${orderId}: valid$`, 'm'))
    assert.match(out, /^Allowed for the bytes of the certificate at 20/m)
    assert.match(out, /allowed by +rule policies\.default\.allow\.dns \*\*\.test for dns:story\.test/)
    assert.match(out, /^ {2}dns:story\.test: valid \(azr_[\w-]{22}\)\n {4}http-01 proved at 20/m)
    const [, trail = ''] = out.split('\nAudit trail\n')
    assert.match(
      trail,
      /^ {4}evidence\.connections\.1 +host story\.test; address 127\.0\.0\.1; port \d+/m,
      'what was asked',
    )
    assert.match(trail, /^ {4}reason +superseded$/m)
    assert.doesNotMatch(trail, /[{}]/, 'nothing is left as JSON')
    const told = [...trail.matchAll(/^ {2}20\S+ {2}(\S+)/gm)].map(([, event]) => event)
    assert.deepEqual(told, [
      'order.created',
      'validation.succeeded',
      'certificate.intended',
      'certificate.issued',
      'certificate.revoked',
    ])
  }
})

test('the whole story is JSON too, without tokens and keys', async () => {
  const client = await journey.registered()
  const { placed } = await journey.issue(client, ['json.test'])
  const { code, out } = await explain('--json', placed.url)
  assert.equal(code, 0)
  const story = JSON.parse(out)
  assert.equal(story.order.status, 'valid')
  assert.equal(story.decisions.length, 1)
  assert.equal(story.decisions[0].decision.outcome, 'allow')
  assert.deepEqual(story.decisions[0].request.names, [{ type: 'dns', value: 'json.test' }])
  assert.equal(story.certificates[0].serial, story.order && story.decisions[0].serial)
  const [authorization] = placed.authorizations
  for (const { token } of authorization?.challenges ?? assert.fail()) assert.ok(!out.includes(token))
  assert.doesNotMatch(out, /"jwk"|wrappedMacKey|keyAuthorization|tbsDer/)
})

test('a proof that failed is in the story of its order, with what went wrong', async () => {
  const client = await journey.registered()
  const placed = await journey.place(client, ['unproved.test'])
  const [authorization] = placed.authorizations
  const challenge = authorization?.challenges.find(({ type }) => type === 'http-01') ?? assert.fail()
  await client.post(challenge.url, {})
  await client.poll(placed.url)
  const { out } = await explain(placed.url)
  assert.match(out, /^ord_[\w-]{22}: the order is invalid$/m)
  assert.match(out, /^ {2}dns:unproved\.test: invalid \(azr_[\w-]{22}\)\n {4}http-01 failed at 20.*: (dns|connection)/m)
  assert.match(out, /validation\.failed/)
})

test("the server's own certificate is explained by its serial", async () => {
  const probe = new AcmeTestClient({
    directoryUrl: `${journey.chancery.urls.base}/directory`,
    ca: journey.chancery.rootPem,
  })
  await probe.directory()
  probe.close()
  const events = await journey.chancery.store.decisions.page({ since: new Date(0), limit: 500 })
  const own = events.decisions.find(({ request }) => request.requester.kind === 'server')
  assert.ok(own?.serial)
  const { code, out } = await explain(own.serial)
  assert.equal(code, 0, out)
  assert.match(out, /^ {2}for +the server itself$/m)
})

test('what is unknown, or is no reference, is said with what to do', async () => {
  const unknown = await explain(`req_${'a'.repeat(22)}`)
  assert.equal(unknown.code, 1)
  assert.match(unknown.err, /nothing is known of req_a+\. Decisions are kept for 90 days/)
  const nonsense = await explain('www.corp.test')
  assert.equal(nonsense.code, 2)
  assert.match(nonsense.err, /is no reference \(req_…\), order/)
  const elsewhere = await runCommand(['explain', '4f01'], { home: '/nonexistent/chancery' })
  assert.equal(elsewhere.code, 1)
  assert.match(elsewhere.err, /there is no database .*; set CHANCERY_HOME/)
})
