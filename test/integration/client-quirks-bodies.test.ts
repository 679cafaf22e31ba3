import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Journey, type RecordingClient, startJourney } from '../support/acme-journey.ts'
import type { AcmeReply } from '../support/acme-test-client.ts'
import { der } from '../support/test-csr.ts'
import { generateTestKey } from '../support/test-keys.ts'

let journey: Journey
let client: RecordingClient
let recorded: { readonly method: string; readonly url: string; readonly reply: AcmeReply }[]

/** One client's life with every object in every state that a client can bring about, and many refusals. */
before(async () => {
  journey = await startJourney({
    set: [
      'directories.default.termsOfService=https://docs.localhost/terms',
      'directories.bound.externalAccount=required',
    ],
  })
  client = await journey.registered({}, { contact: ['mailto:root@crawl.test'], termsOfServiceAgreed: true })
  await client.get(client.directoryUrl)
  const { newAuthz = '', revokeCert = '', newNonce = '' } = await client.directory()
  await client.get(newNonce)
  await client.post(client.accountUrl!, { contact: [] })
  await client.newAccount({ termsOfServiceAgreed: true })
  await client.postAsGet(`${client.accountUrl}/orders`)
  await client.post(newAuthz, { identifier: { type: 'dns', value: 'early.test' } })

  const notAfter = new Date(Date.now() + 3_600_000).toISOString()
  const issued = await journey.issue(client, ['a.crawl.test', '*.crawl.test', '127.0.0.1'], {
    extra: { notAfter },
  })
  await client.postAsGet(issued.placed.url)
  await client.post(issued.placed.finalize, { csr: issued.csr })
  await client.postAsGet(issued.placed.authorizations[0]!.challenges[0]!.url)
  await client.post(revokeCert, { certificate: issued.leaf.raw.toString('base64url'), reason: 4 })
  await client.post(revokeCert, { certificate: issued.leaf.raw.toString('base64url') })
  await client.postAsGet(`${client.accountUrl}/orders`)

  const failing = await journey.place(client, ['failing.test'])
  const [pending] = failing.authorizations
  await client.post(pending!.challenges.find(({ type }) => type === 'http-01')!.url, {})
  await client.poll(pending!.url)
  await client.postAsGet(failing.url)
  await client.postAsGet(pending!.challenges[0]!.url)
  await client.post(failing.finalize, { csr: client.csr(['failing.test']).base64url })

  const given = await journey.place(client, ['given.test'])
  await client.post(given.authorizations[0]!.url, { status: 'deactivated' })
  await client.postAsGet(given.url)
  await client.postAsGet(given.authorizations[0]!.url)

  await client.newOrder(['www.example.com', 'a.example.com'])
  await client.newOrder(['a..test', { type: 'email', value: 'a@b.test' }])
  await client.newOrder([])
  await client.newOrder(['x.test'], { profile: 'other' })
  const ready = await journey.ready(client, ['csr.test'])
  await client.post(ready.finalize, {
    csr: client.csr([], { generalNames: [der(0x81, Buffer.from('root@csr.test'))] }).base64url,
  })
  await client.keyChange(generateTestKey())
  await client.post(client.accountUrl!, { status: 'deactivated' })
  await client.postAsGet(client.accountUrl!)

  const bound = journey.client({ directory: 'bound' })
  await bound.newAccount()
  await bound.get(bound.directoryUrl)
  recorded = [...client.replies, ...bound.replies]
})
after(() => journey?.close())

test('the journey saw every object in every state that these tests are about', () => {
  const states = new Set(
    recorded.flatMap(({ url, reply }) =>
      reply.json?.status === undefined ? [] : [`${/\/acme\/\w+\/([\w-]+)/.exec(url)?.[1]} ${reply.json.status}`],
    ),
  )
  for (const state of [
    'new-account valid',
    'new-order pending',
    'order valid',
    'order invalid',
    'authz pending',
    'authz valid',
    'authz invalid',
    'authz deactivated',
    'challenge processing',
    'challenge valid',
    'challenge invalid',
    'account deactivated',
    'new-order 403',
    'revoke-cert 400',
    'new-account 403',
  ])
    assert.ok(states.has(state), `${state} is not among ${[...states].join(', ')}`)
})

test('CQ-T08 every JSON body is compact UTF-8 with unescaped slashes, and its challenges are flat until they carry an error', () => {
  let challenges = 0
  for (const { url, reply } of recorded) {
    if (reply.json === undefined) continue
    assert.equal(reply.text, JSON.stringify(reply.json), url)
    assert.equal(reply.text.includes('\\/'), false, url)
    for (const challenge of [...(reply.json.challenges ?? []), ...(reply.json.token ? [reply.json] : [])]) {
      challenges++
      for (const [name, value] of Object.entries(challenge)) {
        if (name === 'error') assert.equal(challenge.status, 'invalid', url)
        else assert.equal(typeof value, 'string', `${url} ${name}`)
      }
    }
  }
  assert.ok(challenges > 20)
})

test('CQ-T08 the keys of an object stand in the same order in every answer', () => {
  const orders = new Map<string, string[]>()
  for (const { url, reply } of recorded) {
    if (reply.json === undefined || reply.status >= 400) continue
    const kind = /\/acme\/\w+\/(?:new-)?([\w-]+)/.exec(url)?.[1] ?? url
    const known = orders.get(kind) ?? []
    const both = Object.keys(reply.json).filter((key) => known.includes(key))
    assert.deepEqual(
      both,
      known.filter((key) => both.includes(key)),
      url,
    )
    if (Object.keys(reply.json).length > known.length) orders.set(kind, Object.keys(reply.json))
  }
  assert.ok(orders.size >= 5)
})

test('CQ-T09 no body anywhere holds null, an empty object, an empty text or a zero date', () => {
  assert.ok(recorded.length > 50)
  for (const { url, reply } of recorded) {
    if (reply.json === undefined) continue
    walk(reply.json, (value, path) => {
      assert.notEqual(value, null, `${url} ${path}`)
      assert.notEqual(value, '', `${url} ${path}`)
      if (typeof value === 'object' && !Array.isArray(value))
        assert.notEqual(Object.keys(value as object).length, 0, `${url} ${path}`)
      if (typeof value === 'string') assert.doesNotMatch(value, /^(?:0001|1970)-/, `${url} ${path}`)
    })
  }
})

test('CQ-T10 every time in every body is in whole seconds and UTC, and orders and authorizations always expire', () => {
  let times = 0
  for (const { url, reply } of recorded) {
    if (reply.json === undefined) continue
    walk(reply.json, (value, path) => {
      const isTime = /\.(?:expires|validated|notBefore|notAfter)$/.test(path)
      const looksLikeOne = typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)
      if (!isTime && !looksLikeOne) return
      times++
      assert.match(String(value), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, `${url} ${path}`)
    })
    const isOrder = reply.json.finalize !== undefined
    const isAuthorization = reply.json.challenges !== undefined
    if (isOrder || isAuthorization) assert.equal(typeof reply.json.expires, 'string', url)
  }
  assert.ok(times > 30)
})

test('CQ-T14 CQ-D05 every URL that any answer gives out has the origin of the directory', () => {
  const origin = new URL(client.directoryUrl).origin
  let found = 0
  for (const { url, reply } of recorded) {
    const isProblem = reply.status >= 400
    const texts = [reply.headers.location ?? '', String(reply.headers.link ?? ''), isProblem ? '' : reply.text]
    for (const [text] of texts.join(' ').matchAll(/https?:\/\/[^\s"'<>,]+/g)) {
      if (text === 'https://docs.localhost/terms') continue
      found++
      assert.equal(new URL(text).origin, origin, `${url} gave ${text}`)
    }
  }
  assert.ok(found > 100)
})

test('CQ-T01 CQ-T04 CQ-T07 CQ-T12 CQ-N03 every answer has canonical header names, one nonce, no-store, an exact media type and a link a line', () => {
  for (const { method, url, reply } of recorded) {
    const names = reply.rawHeaders.filter((_, index) => index % 2 === 0)
    for (const name of names)
      assert.equal(
        name,
        name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()),
        url,
      )
    assert.equal(names.filter((name) => name === 'Replay-Nonce').length, 1, `${method} ${url}`)
    assert.ok(names.filter((name) => name === 'Location').length <= 1, url)
    assert.equal(reply.headers['cache-control'], 'no-store', url)
    const type = reply.headers['content-type']
    if (reply.bytes.length === 0) assert.equal(type, undefined, url)
    else if (url.includes('/certificate/') && reply.status === 200)
      assert.equal(type, 'application/pem-certificate-chain')
    else assert.equal(type, reply.status >= 400 ? 'application/problem+json' : 'application/json', url)
    for (const [index, name] of names.entries()) {
      if (name === 'Link') assert.match(reply.rawHeaders[index * 2 + 1]!, /^<https:\/\/[^\s<>,]+>;rel="[a-z-]+"$/, url)
    }
  }
})

test('CQ-F04 every Retry-After is a whole number of seconds from 1 to 60', () => {
  const values = recorded.flatMap(({ reply }) => reply.headers['retry-after'] ?? [])
  assert.ok(values.length > 0)
  for (const value of values) {
    assert.match(value, /^[1-9]\d?$/)
    assert.ok(Number(value) <= 60)
  }
})

test('CQ-V02 the default directory offers only http-01, dns-01 and tls-alpn-01, each with type, url, status and token', () => {
  const offered = new Set<string>()
  for (const { reply } of recorded) {
    for (const challenge of reply.json?.challenges ?? []) {
      offered.add(challenge.type)
      for (const member of ['type', 'url', 'status', 'token']) assert.equal(typeof challenge[member], 'string')
      assert.match(challenge.token, /^[A-Za-z0-9_-]{43}$/)
    }
  }
  assert.deepEqual([...offered].sort(), ['dns-01', 'http-01', 'tls-alpn-01'])
})

function walk(value: unknown, visit: (value: unknown, path: string) => void, path = ''): void {
  visit(value, path)
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value)) walk(member, visit, `${path}.${name}`)
}
