import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { assertRefused, headerLines, type Journey, startJourney } from '../support/acme-journey.ts'

let journey: Journey
before(async () => {
  journey = await startJourney()
})
after(() => journey?.close())

const sanOf = (leaf: X509Certificate) => (leaf.subjectAltName ?? '').split(', ').sort()

test('CQ-O05 CQ-O06 five names in mixed order, with wildcards: each authorization stands at the place of its name', async () => {
  const client = await journey.registered()
  const names = ['z.five.test', '*.five.test', '127.0.0.9', 'five.test', '*.a.five.test']
  const placed = await journey.place(client, names)
  assert.deepEqual(placed.reply.json.identifiers, placed.names)
  assert.deepEqual(
    placed.authorizations.map(({ identifier, wildcard }) => [identifier.type, identifier.value, wildcard]),
    [
      ['dns', 'z.five.test', undefined],
      ['dns', 'five.test', true],
      ['ip', '127.0.0.9', undefined],
      ['dns', 'five.test', undefined],
      ['dns', 'a.five.test', true],
    ],
  )
  assert.equal(new Set(placed.authorizations.map(({ url }) => url)).size, 5)
})

test('CQ-O06 a name and its wildcard are proved by two TXT values at one name, whichever stands first', async () => {
  for (const isReversed of [false, true]) {
    const client = await journey.registered()
    const base = `both-${isReversed}.test`
    const placed = await journey.place(client, [base, `*.${base}`])
    const pair = isReversed ? placed.authorizations.toReversed() : placed.authorizations
    const challenges = pair.map((authorization) => journey.provision(client, authorization, 'dns-01'))
    for (const challenge of challenges) assert.equal((await client.post(challenge.url, {})).status, 200)
    for (const { url } of pair) assert.equal((await client.poll(url)).json.status, 'valid')
    const done = await client.post(placed.finalize, { csr: client.csr([`*.${base}`, base]).base64url })
    assert.equal(done.json.status, 'valid', done.text)
  }
})

test('CQ-O07 CQ-O08 a name in three spellings is one lower-case name in order, authorization and certificate', async () => {
  const client = await journey.registered()
  const issued = await journey.issue(client, ['WWW.Example.Test', 'www.example.test', 'www.EXAMPLE.test'])
  assert.deepEqual(issued.placed.reply.json.identifiers, [{ type: 'dns', value: 'www.example.test' }])
  assert.deepEqual(
    issued.placed.authorizations.map(({ identifier }) => identifier),
    [{ type: 'dns', value: 'www.example.test' }],
  )
  assert.equal(issued.leaf.subjectAltName, 'DNS:www.example.test')
})

test('CQ-O07 an order of a and a is no leave for a CSR of a and b', async () => {
  const client = await journey.registered()
  const placed = await journey.ready(client, ['a.twice.test', 'a.twice.test'])
  const refused = await client.post(placed.finalize, { csr: client.csr(['a.twice.test', 'b.twice.test']).base64url })
  assert.match(assertRefused(refused, 400, 'badCSR'), /b\.twice\.test/)
  const good = await client.post(placed.finalize, { csr: client.csr(['a.twice.test', 'a.twice.test']).base64url })
  assert.equal(good.json.status, 'valid', good.text)
})

test('CQ-O09 an address as type dns is told to use ip; an ip order with that address as CN is fine', async () => {
  const client = await journey.registered()
  for (const value of ['127.0.0.2', '::1', '127.1']) {
    const refused = await client.newOrder([{ type: 'dns', value }])
    assert.equal(
      refused.json.subproblems?.[0]?.type ?? refused.json.type,
      'urn:ietf:params:acme:error:rejectedIdentifier',
    )
    assert.match(refused.text, /type \\?"?ip/)
  }
  const { leaf } = await journey.issue(client, ['127.0.0.1'], { commonName: '127.0.0.1' })
  assert.equal(leaf.subjectAltName, 'IP Address:127.0.0.1')
  assert.equal(leaf.subject, undefined)
})

test('CQ-O10 names that public CAs refuse are a matter of policy alone, and its refusal names the rule', async (t) => {
  const wide = await startJourney({
    set: [
      'policies.default.allow.dns=["**.local", "printer", "**.corp", "*.test"]',
      'policies.default.deny.dns=["no.local"]',
    ],
  })
  t.after(() => wide.close())
  const client = await wide.registered()
  for (const name of ['nas.local', 'printer', 'db.corp'])
    assert.equal((await client.newOrder([name])).status, 201, name)
  for (const name of ['no.local', 'a.b.test', 'under_score.local']) {
    const refused = await client.newOrder([name])
    assert.ok([400, 403].includes(refused.status), `${name} ${refused.text}`)
    const detail = refused.json.subproblems?.[0]?.detail ?? refused.json.detail
    assert.match(detail, /rule|polic|label|charact|underscore/i, name)
  }
})

test('CQ-O11 a second order of proved names starts ready, and its authorization shows the challenge that won alone', async () => {
  const client = await journey.registered()
  await journey.issue(client, ['again.test', '*.again.test'])
  const second = await journey.place(client, ['*.again.test', 'again.test'])
  assert.equal(second.reply.json.status, 'ready')
  assert.deepEqual(
    second.authorizations.map(({ status, challenges }) => [
      status,
      challenges.map((one) => `${one.type} ${one.status}`),
    ]),
    [
      ['valid', ['dns-01 valid']],
      ['valid', ['http-01 valid']],
    ],
  )
  const done = await client.post(second.finalize, { csr: client.csr(['again.test', '*.again.test']).base64url })
  assert.equal(done.json.status, 'valid', done.text)
})

test('CQ-O12 two orders in parallel are two orders with one token; one answer proves both, and each has its own key', async () => {
  const client = await journey.registered()
  const replies = await Promise.all([client.newOrder(['parallel.test']), client.newOrder(['parallel.test'])])
  assert.equal(new Set(replies.map(({ headers }) => headers.location)).size, 2)
  const placed = await Promise.all(
    replies.map(async ({ json }) => ({
      url: json.authorizations[0],
      ...(await client.postAsGet(json.authorizations[0])).json,
    })),
  )
  const tokens = placed.map(({ challenges }) => challenges.map(({ token }: { token: string }) => token).join())
  assert.equal(tokens[0], tokens[1], 'Traefik overwrites the first token by the second')
  const challenge = journey.provision(client, placed[0])
  await client.post(challenge.url, {})
  await client.poll(placed[0].url)
  const leaves: X509Certificate[] = []
  for (const reply of replies) {
    assert.equal((await client.postAsGet(reply.headers.location!)).json.status, 'ready')
    const csr = client.csr(['parallel.test'])
    const done = await client.post(reply.json.finalize, { csr: csr.base64url })
    assert.equal(done.json.status, 'valid', done.text)
    const leaf = new X509Certificate((await client.postAsGet(done.json.certificate)).text)
    assert.ok(leaf.publicKey.equals(csr.key.publicKey))
    leaves.push(leaf)
  }
  assert.notEqual(leaves[0]!.serialNumber, leaves[1]!.serialNumber)
  assert.deepEqual(sanOf(leaves[0]!), sanOf(leaves[1]!))
})

test('CQ-O13 a dry run that gives up pending and valid authorizations, twice and in a loop', async () => {
  const client = await journey.registered()
  const ready = await journey.ready(client, ['dry.test'])
  const pending = await journey.place(client, ['dry.test', 'wet.test'])
  const urls = new Set([...ready.authorizations, ...pending.authorizations].map(({ url }) => url))
  for (let round = 0; round < 3; round++) {
    for (const url of urls) {
      const reply = await client.post(url, { status: 'deactivated' })
      assert.deepEqual([reply.status, reply.json.status], [200, 'deactivated'], reply.text)
      assert.ok(reply.json.identifier.value && reply.json.challenges.length > 0)
    }
    for (const { url } of [ready, pending]) {
      const order = await client.postAsGet(url)
      assert.equal(order.json.status, 'invalid')
      assert.doesNotMatch(order.text, /deactivated/)
    }
  }
  const again = await journey.place(client, ['dry.test'])
  assert.equal(again.authorizations[0]!.status, 'pending')
})

test('CQ-O15 one unreadable stored order stops no new one', async () => {
  const client = await journey.registered()
  const placed = await journey.place(client, ['old.test'])
  const database = new DatabaseSync(`${journey.chancery.home}/chancery.db`)
  const id = placed.url.split('/').at(-1) ?? ''
  const { changes } = database.prepare("UPDATE orders SET identifiers = '{broken' WHERE id = ?").run(id)
  database.close()
  assert.equal(Number(changes), 1)
  assertRefused(await client.postAsGet(placed.url), 500, 'serverInternal')
  assert.equal((await client.newOrder(['old.test'])).status, 201)
  await journey.issue(client, ['new.test'])
  const listed = await client.postAsGet(`${client.accountUrl}/orders`)
  assert.equal(listed.status, 200, listed.text)
})

test('CQ-O17 CQ-L04 an unknown profile is invalidProfile with those offered; foreign replaces and unknown members are ignored', async () => {
  const client = await journey.registered()
  const asked = (extra: Record<string, unknown>) => client.newOrder(['profile.test'], extra)
  assert.match(assertRefused(await asked({ profile: 'shortlived' }), 400, 'invalidProfile'), /server/)
  assert.equal((await asked({ profile: 'server' })).json.profile, 'server')
  const aki = 'aYhba4dGQEHhs3uEe6CuLN4ByNQ'
  for (const replaces of [`${aki}.AIdlQyE`, 'nonsense', '', null]) {
    const reply = await asked({ replaces, resource: 'new-order', x: { y: [1] } })
    assert.equal(reply.status, 201, reply.text)
    assert.equal('replaces' in reply.json, false)
    assert.equal('replaces' in (await client.postAsGet(reply.headers.location!)).json, false)
  }
})

test('CQ-O01 CQ-O02 CQ-O03 every order answer has its Location and its finalize URL, in every state, with the exact code', async () => {
  const client = await journey.registered()
  const seen = new Map<
    string,
    { status: number; location: string[]; finalize: string; url: string; finalizeUrl: string }
  >()
  const note = (reply: Awaited<ReturnType<typeof client.post>>, url: string, finalizeUrl: string) =>
    seen.set(reply.json.status, {
      status: reply.status,
      location: headerLines(reply, 'location'),
      finalize: reply.json.finalize,
      url,
      finalizeUrl,
    })
  const placed = await journey.place(client, ['states.test'])
  assert.equal(placed.reply.status, 201)
  note(await client.postAsGet(placed.url), placed.url, placed.finalize)
  await journey.prove(client, placed)
  note(await client.postAsGet(placed.url), placed.url, placed.finalize)
  const csr = client.csr(['states.test']).base64url
  const finalized = await client.post(placed.finalize, { csr })
  assert.equal(finalized.status, 200)
  assert.deepEqual(headerLines(finalized, 'location'), [placed.url])
  note(await client.postAsGet(placed.url), placed.url, placed.finalize)
  const failing = await journey.place(client, ['fails.states.test'])
  await client.post(failing.authorizations[0]!.challenges[0]!.url, {})
  await client.poll(failing.authorizations[0]!.url)
  note(await client.postAsGet(failing.url), failing.url, failing.finalize)
  assert.deepEqual([...seen.keys()], ['pending', 'ready', 'valid', 'invalid'])
  for (const [state, { status, location, finalize, url, finalizeUrl }] of seen) {
    assert.equal(status, 200, state)
    assert.deepEqual(location, [url], state)
    assert.equal(finalize, finalizeUrl, state)
  }
})
