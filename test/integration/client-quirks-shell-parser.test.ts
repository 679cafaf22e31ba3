import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startJourney } from '../support/acme-journey.ts'
import type { AcmeTestClient } from '../support/acme-test-client.ts'

/** What shell clients do instead of parsing JSON: cut at quotes and braces, and take the first thing that matches. */
const grep = {
  // `grep -o '"name" *: *"[^"]*"' | head -1 | cut -d '"' -f 4`
  field: (text: string, name: string) => new RegExp(`"${name}":"([^"]*)"`).exec(text)?.[1] ?? '',
  // acme.sh: `grep -o '{[^{}]*"type":"http-01"[^{}]*}'`
  challenge: (text: string, type: string) => new RegExp(`\\{[^{}]*"type":"${type}"[^{}]*\\}`).exec(text)?.[0] ?? '',
  // `sed 's/.*"authorizations":\[\([^]]*\)\].*/\1/' | tr ',' '\n' | tr -d '"'`
  list: (text: string, name: string) =>
    (new RegExp(`"${name}":\\[([^\\]]*)\\]`).exec(text)?.[1] ?? '').replaceAll('"', '').split(','),
  // `grep -i '^Location:' | tail -1 | cut -d ' ' -f 2 | tr -d '\r\n'` on the header block; exact spelling as getssl does.
  header: (raw: readonly string[], name: string) => raw[raw.indexOf(name) + 1] ?? '',
}

test('CQ-T08 a client that cuts JSON with grep and sed gets a certificate, and sees why another one fails', async (t) => {
  const journey = await startJourney()
  t.after(() => journey.close())
  const client = journey.client()
  const directory = (await client.get(client.directoryUrl)).text
  const account = await client.post(grep.field(directory, 'newAccount'), { termsOfServiceAgreed: true }, { kid: null })
  client.accountUrl = grep.header(account.rawHeaders, 'Location')
  assert.equal(grep.field(account.text, 'status'), 'valid')

  const place = async (names: string[]) => {
    const identifiers = names.map((value) => ({ type: 'dns', value }))
    const order = await client.post(grep.field(directory, 'newOrder'), { identifiers })
    return { text: order.text, url: grep.header(order.rawHeaders, 'Location') }
  }
  const order = await place(['a.grep.localhost', 'b.grep.localhost'])
  assert.equal(grep.field(order.text, 'status'), 'pending')
  const authorizations = grep.list(order.text, 'authorizations')
  assert.equal(authorizations.length, 2)
  for (const url of authorizations) {
    const text = (await client.postAsGet(url)).text
    const challenge = grep.challenge(text, 'http-01')
    const token = grep.field(challenge, 'token')
    journey.target.provision(token, client.keyAuthorization(token))
    const responded = await client.post(grep.field(challenge, 'url'), {})
    assert.ok(['processing', 'valid'].includes(grep.field(responded.text, 'status')))
    let polled = text
    for (let tries = 0; !polled.includes('"status":"valid"'); tries++) {
      assert.ok(tries < 300 && !polled.includes('"status":"invalid"'), polled)
      polled = (await client.postAsGet(url)).text
    }
  }
  const csr = client.csr(['a.grep.localhost', 'b.grep.localhost']).base64url
  const finalized = (await client.post(grep.field(order.text, 'finalize'), { csr })).text
  assert.equal(grep.field(finalized, 'status'), 'valid')
  const chain = (await client.postAsGet(grep.field(finalized, 'certificate'))).text
  assert.equal(chain.match(/^-----BEGIN CERTIFICATE-----$/gm)?.length, 2)

  journey.target.handle((_, response) => void response.writeHead(503).end('down'))
  const failing = await place(['c.grep.localhost'])
  const [url = ''] = grep.list(failing.text, 'authorizations')
  const challenge = grep.challenge((await client.postAsGet(url)).text, 'http-01')
  await client.post(grep.field(challenge, 'url'), {})
  const text = (await client.poll(url)).text
  // acme.sh takes the first status of the text, then prints what stands in "error".
  assert.equal(grep.field(text, 'status'), 'invalid')
  assert.match(/"error":(\{[^}]*)/.exec(text)?.[1] ?? '', /"detail":"[^"]*503/)
})

test('CQ-T08 CQ-V07 golden bodies: order, authorization and challenge as the text that goes out', async (t) => {
  const journey = await startJourney()
  t.after(() => journey.close())
  const client = await journey.registered()
  const placed = await journey.place(client, ['golden.localhost'])
  const [authorization] = placed.authorizations
  await journey.prove(client, placed)
  const plain = (text: string) =>
    text
      .replaceAll(journey.chancery.urls.base, 'BASE')
      .replaceAll(/"token":"[\w-]{43}"/g, '"token":"TOKEN"')
      .replaceAll(/_[\w-]{22}/g, '_ID')
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME')
  const challenge = (type: string) =>
    `{"type":"${type}","url":"BASE/acme/default/challenge/chl_ID","status":"pending","token":"TOKEN"}`
  const won = challenge('http-01').replace('pending', 'valid').replace('"}', '","validated":"TIME"}')
  const order = (status: string) =>
    `{"status":"${status}","expires":"TIME","identifiers":[{"type":"dns","value":"golden.localhost"}],"profile":"server",` +
    '"authorizations":["BASE/acme/default/authz/azr_ID"],"finalize":"BASE/acme/default/order/ord_ID/finalize"}'
  assert.equal(plain(placed.reply.text), order('pending'))
  const fresh = await journey.place(client, ['fresh.localhost'])
  assert.equal(
    plain((await client.postAsGet(fresh.authorizations[0]!.url)).text),
    '{"identifier":{"type":"dns","value":"fresh.localhost"},"status":"pending","expires":"TIME",' +
      `"challenges":[${challenge('http-01')},${challenge('dns-01')},${challenge('tls-alpn-01')}]}`,
  )
  assert.equal(
    plain((await client.postAsGet(authorization!.url)).text),
    `{"identifier":{"type":"dns","value":"golden.localhost"},"status":"valid","expires":"TIME","challenges":[${won}]}`,
  )
  assert.equal(plain((await client.postAsGet(authorization!.challenges[0]!.url)).text), won)
  assert.equal(plain((await client.postAsGet(placed.url)).text), order('ready'))
})

test('CQ-V01 CQ-V03 certbot, acme.sh and uacme poll what they are used to poll, and all three see the same end', async (t) => {
  const journey = await startJourney()
  t.after(() => journey.close())
  for (const [name, isFailing] of [
    ['good.localhost', false],
    ['bad.localhost', true],
  ] as const) {
    const client = await journey.registered()
    const placed = await journey.place(client, [name])
    const [authorization] = placed.authorizations
    const challenge = isFailing
      ? authorization!.challenges.find(({ type }) => type === 'http-01')!
      : journey.provision(client, authorization!)
    const readers = [challenge.url, authorization!.url, placed.url]
    assert.deepEqual(
      await Promise.all(readers.map(async (url) => (await sibling(client).postAsGet(url)).json.status)),
      ['pending', 'pending', 'pending'],
    )
    const responded = await client.post(challenge.url, {})
    assert.equal(responded.headers.link?.includes(`<${authorization!.url}>;rel="up"`), true)
    assert.equal(responded.json.url, challenge.url)
    const ends = await Promise.all(readers.map((url) => sibling(client).poll(url)))
    assert.deepEqual(
      ends.map(({ json }) => json.status),
      isFailing ? ['invalid', 'invalid', 'invalid'] : ['valid', 'valid', 'ready'],
    )
    const read = await client.postAsGet(challenge.url)
    assert.equal(read.headers.link?.includes(`<${authorization!.url}>;rel="up"`), true)
    assert.equal(read.json.url, challenge.url)
  }

  /** Another process of the same account. */
  function sibling(client: AcmeTestClient): AcmeTestClient {
    const other = journey.client({ key: client.key })
    other.accountUrl = client.accountUrl
    return other
  }
})
