import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { challengeOf, headerLines, type Journey, startJourney } from '../support/acme-journey.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { startTcpTarget } from '../support/http-target.ts'
import { startTlsAlpnTarget } from '../support/tls-alpn-target.ts'

let journey: Journey
before(async () => {
  journey = await startJourney()
})
after(() => journey?.close())

const fetchesOf = (token: string) => journey.target.requests.filter(({ url }) => url.endsWith(`/${token}`)).length

test('CQ-V05 twenty answers at once, and more after the end, are 200 with the state, and one fetch', async () => {
  const client = await journey.registered()
  const placed = await journey.place(client, ['twenty.localhost'])
  const [authorization] = placed.authorizations
  const challenge = journey.provision(client, authorization!)
  const replies = await Promise.all(Array.from({ length: 20 }, () => client.post(challenge.url, {})))
  await client.poll(authorization!.url)
  replies.push(await client.post(challenge.url, {}), await client.post(challenge.url, { keyAuthorization: 'x' }))
  for (const reply of replies) {
    assert.equal(reply.status, 200, reply.text)
    assert.ok(['processing', 'valid'].includes(reply.json.status))
    assert.deepEqual(
      headerLines(reply, 'link').filter((link) => link.includes('"up"')),
      [`<${authorization!.url}>;rel="up"`],
    )
  }
  assert.equal(replies.at(-1)?.json.status, 'valid')
  // A sibling that is answered after the end starts nothing either.
  const sibling = await client.post(challengeOf(authorization!, 'dns-01').url, {})
  assert.equal(sibling.status, 200)
  assert.equal(fetchesOf(challenge.token), 1)
  assert.equal(
    journey.dns.queries.some(({ name }) => name === '_acme-challenge.twenty.localhost'),
    false,
  )
})

test('CQ-V12 a client that withdraws the token at its first fetch gets its certificate; nothing is fetched again', async () => {
  const client = await journey.registered()
  const placed = await journey.place(client, ['withdrawn.localhost'])
  const challenge = challengeOf(placed.authorizations[0]!)
  let fetched = 0
  journey.target.handle((_, response) => {
    fetched++
    response.statusCode = fetched === 1 ? 200 : 404
    response.end(fetched === 1 ? client.keyAuthorization(challenge.token) : 'gone')
  })
  await client.post(challenge.url, {})
  assert.equal((await client.poll(placed.authorizations[0]!.url)).json.status, 'valid')
  const done = await client.post(placed.finalize, { csr: client.csr(['withdrawn.localhost']).base64url })
  assert.equal(done.json.status, 'valid')
  await journey.place(client, ['withdrawn.localhost'])
  journey.target.handle(undefined)
  assert.equal(fetched, 1)
})

test('CQ-V06 a dead host: never an error before the end, then all three are invalid together, within 75 s of the clock', async (t) => {
  const clock = new FakeClock(new Date().toISOString())
  const dead = await startTcpTarget()
  t.after(() => dead.close())
  const journey = await startJourney({
    clock,
    set: [`validation.http01.port=${dead.port}`, 'validation.attempts=3', 'validation.retryAfter=5'],
  })
  t.after(() => journey.close())
  const client = await journey.registered()
  const placed = await journey.place(client, ['dead.localhost'])
  const challenge = challengeOf(placed.authorizations[0]!)
  const startedMs = clock.monotonicMs()
  await client.post(challenge.url, {})
  for (;;) {
    const authorization = await client.postAsGet(placed.authorizations[0]!.url)
    const order = await client.postAsGet(placed.url)
    const shown = authorization.json.challenges.find(({ type }: { type: string }) => type === 'http-01')
    if (authorization.json.status === 'invalid') {
      assert.equal(order.json.status, 'invalid')
      assert.equal(shown.status, 'invalid')
      assert.deepEqual(Object.keys(shown.error).sort(), ['detail', 'status', 'type'])
      assert.match(shown.error.detail, /dead\.localhost/)
      break
    }
    assert.deepEqual([authorization.json.status, shown.status, 'error' in shown], ['pending', 'processing', false])
    assert.ok(Number(authorization.headers['retry-after']) >= 1)
    assert.ok(clock.monotonicMs() - startedMs < 75_000, 'still processing')
    await clock.advance(1_000)
  }
  assert.equal(dead.accepted, 3)
})

test('CQ-V13 CQ-V14 a TXT record behind three aliases that appears after ten seconds is found', async (t) => {
  const clock = new FakeClock(new Date().toISOString())
  const journey = await startJourney({ clock, set: ['validation.retryAfter=5'] })
  t.after(() => journey.close())
  const client = await journey.registered()
  const placed = await journey.place(client, ['spread.test'])
  const [authorization] = placed.authorizations
  for (const [from, to] of [
    ['_acme-challenge.spread.test', 'one.alias.test'],
    ['one.alias.test', 'two.alias.test'],
    ['two.alias.test', '_acme-challenge.target.test'],
  ] as const)
    journey.dns.set(from, 'CNAME', to)
  await client.post(challengeOf(authorization!, 'dns-01').url, {})
  for (let second = 0; second < 10; second++) {
    assert.equal((await client.postAsGet(authorization!.url)).json.status, 'pending', `after ${second} s`)
    await clock.advance(1_000)
  }
  const target = { ...authorization!, identifier: { type: 'dns', value: 'target.test' } }
  journey.provision(client, target, 'dns-01')
  for (let second = 0; (await client.postAsGet(authorization!.url)).json.status === 'pending'; second++) {
    assert.ok(second < 30)
    await clock.advance(1_000)
  }
  assert.equal((await client.postAsGet(authorization!.url)).json.status, 'valid')
})

test('CQ-V15 a name and an address are proved by tls-alpn-01, with acme-tls/1 alone and the name or its reverse as SNI', async (t) => {
  const responder = await startTlsAlpnTarget({ address: '127.0.0.1' })
  t.after(() => responder.close())
  const journey = await startJourney({ set: [`validation.tlsAlpn01.port=${responder.port}`] })
  t.after(() => journey.close())
  const client = await journey.registered()
  const names = ['alpn.localhost', '127.0.0.1']
  const placed = await journey.place(client, names)
  for (const authorization of placed.authorizations) {
    const challenge = challengeOf(authorization, 'tls-alpn-01')
    responder.provision(authorization.identifier as never, client.keyAuthorization(challenge.token))
    await client.post(challenge.url, {})
    const proved = await client.poll(authorization.url)
    assert.equal(proved.json.status, 'valid', proved.text)
  }
  const done = await client.post(placed.finalize, { csr: client.csr(names).base64url })
  assert.equal(done.json.status, 'valid', done.text)
  assert.deepEqual(responder.hellos, [
    { servername: 'alpn.localhost', protocols: ['acme-tls/1'] },
    { servername: '1.0.0.127.in-addr.arpa', protocols: ['acme-tls/1'] },
  ])
})

test('CQ-V07 while one name of an order is valid and another fails, the word invalid is only in the text of the failed one', async () => {
  const client = await journey.registered()
  const placed = await journey.place(client, [
    'good.siblings.localhost',
    'bad.siblings.localhost',
    'open.siblings.localhost',
  ])
  const [good, bad, open] = placed.authorizations
  await client.post(journey.provision(client, good!).url, {})
  await client.poll(good!.url)
  await client.post(challengeOf(bad!).url, {})
  await client.poll(bad!.url)
  assert.equal((await client.postAsGet(placed.url)).json.status, 'invalid')
  const texts = await Promise.all([good, bad, open].map(async (one) => (await client.postAsGet(one!.url)).text))
  assert.deepEqual(
    texts.map((text) => text.includes('"status":"invalid"')),
    [false, true, false],
  )
  assert.equal(JSON.parse(texts[1]!).challenges.length, 1)
})

test('CQ-O04 in a tight poll while three names are proved at once, all valid is never seen beside a pending order', async () => {
  const client = await journey.registered()
  const poller = journey.client({ key: client.key })
  poller.accountUrl = client.accountUrl
  for (let round = 0; round < 3; round++) {
    const placed = await journey.place(
      client,
      ['a', 'b', 'c'].map((label) => `${label}${round}.tight.localhost`),
    )
    const challenges = placed.authorizations.map((authorization) => journey.provision(client, authorization))
    const answering = Promise.all(challenges.map(({ url }) => client.post(url, {})))
    let status = 'pending'
    for (let polls = 0; status === 'pending'; polls++) {
      assert.ok(polls < 500)
      const proofs = []
      for (const { url } of placed.authorizations) proofs.push((await poller.postAsGet(url)).json.status)
      status = (await poller.postAsGet(placed.url)).json.status
      if (proofs.every((proof) => proof === 'valid')) assert.equal(status, 'ready')
    }
    // Ready the other way round: no authorization is behind its order.
    for (const { url } of placed.authorizations) assert.equal((await poller.postAsGet(url)).json.status, 'valid')
    await answering
    const done = await client.post(placed.finalize, {
      csr: client.csr(placed.names.map(({ value }) => value)).base64url,
    })
    assert.equal(done.json.status, 'valid', done.text)
  }
})
