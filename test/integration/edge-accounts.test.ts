import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { directoryUrls } from '../../src/acme/urls.ts'
import type { AccountId, OrderId } from '../../src/lib/ids.ts'
import type { AcmeReply, AcmeTestClient } from '../support/acme-test-client.ts'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer, PUBLIC_URL } from '../support/edge-server.ts'
import { generateTestKey } from '../support/test-keys.ts'

const TERMS = 'https://docs.test/terms.pdf'
const urls = directoryUrls(PUBLIC_URL, 'default')

let server: EdgeServer
before(async () => {
  server = await openEdgeServer({ directories: { terms: { termsOfService: TERMS }, other: {} } })
})
after(() => server.close())

function refused(reply: AcmeReply, status: number, type: string): string {
  assert.equal(reply.status, status, reply.text)
  assert.equal(reply.json.type, `urn:ietf:params:acme:error:${type}`, reply.text)
  assert.ok(reply.headers['replay-nonce'])
  return reply.json.detail
}

async function registered(): Promise<AcmeTestClient> {
  const client = server.client()
  assert.equal((await client.newAccount()).status, 201)
  return client
}

const idOf = (client: AcmeTestClient): AccountId =>
  client.accountUrl!.slice(client.accountUrl!.lastIndexOf('/') + 1) as AccountId
const accounts = async (): Promise<number> => (await server.store.retention.counts())['accounts']!

describe('registering', () => {
  test('CQ-A02 CQ-A06 is 201 the first time and 200 after, with the same Location and the whole object', async () => {
    const client = server.client()
    const first = await client.newAccount({
      contact: ['mailto:a@b.test'],
      termsOfServiceAgreed: true,
      orders: 'x',
      unknown: 1,
    })
    assert.equal(first.status, 201)
    assert.deepEqual(first.json, {
      status: 'valid',
      contact: ['mailto:a@b.test'],
      orders: `${first.headers.location}/orders`,
    })
    const second = await client.newAccount({ contact: ['mailto:new@b.test'] })
    assert.equal(second.status, 200)
    assert.equal(second.headers.location, first.headers.location)
    assert.deepEqual(second.json, first.json)
  })

  test('CQ-A01 CQ-J06 needs no contact: absent, [] and null are alike; members of ACME v1 are ignored', async () => {
    for (const payload of [
      {},
      { contact: [] },
      { contact: null },
      { resource: 'new-reg', agreement: 'https://x.test/', delete: true },
    ]) {
      const reply = await server.client().newAccount(payload)
      assert.equal(reply.status, 201, reply.text)
      assert.equal('contact' in reply.json, false)
    }
  })

  test('KF-B21 CQ-A01 with bad contacts is refused, and stores nothing', async () => {
    const before = await accounts()
    refused(await server.client().newAccount({ contact: ['mailto:a@b.test?bcc=x@y.test'] }), 400, 'invalidContact')
    refused(await server.client().newAccount({ contact: ['mailto:a@b.test\nBcc: x@y.test'] }), 400, 'invalidContact')
    refused(await server.client().newAccount({ contact: ['tel:+1'] }), 400, 'unsupportedContact')
    refused(
      await server.client().newAccount({ contact: Array.from({ length: 11 }, (_, i) => `mailto:a${i}@b.test`) }),
      400,
      'invalidContact',
    )
    refused(await server.client().newAccount({ contact: 'mailto:a@b.test' }), 400, 'malformed')
    assert.equal(await accounts(), before)
  })

  test('KF-B12 CQ-A02 fifty times at once with one key makes one account', async () => {
    const client = server.client()
    const before = await accounts()
    const bodies = await Promise.all(
      Array.from({ length: 50 }, async () => client.sign(urls.newAccount, {}, { kid: null })),
    )
    const replies = await Promise.all(bodies.map((body) => client.post(urls.newAccount, '', { body })))
    assert.deepEqual(
      replies
        .map(({ status }) => status)
        .sort()
        .slice(0, 2),
      [200, 200],
    )
    assert.equal(replies.filter(({ status }) => status === 201).length, 1)
    assert.equal(new Set(replies.map(({ headers }) => headers.location)).size, 1)
    assert.equal(await accounts(), before + 1)
  })

  test('CQ-A03 KF-B25 onlyReturnExisting with an unknown key is exactly 400 accountDoesNotExist, and stores nothing', async () => {
    const before = await accounts()
    refused(await server.client().newAccount({ onlyReturnExisting: true }), 400, 'accountDoesNotExist')
    refused(
      await server.client().newAccount({ onlyReturnExisting: true, termsOfServiceAgreed: true, contact: ['bad'] }),
      400,
      'accountDoesNotExist',
    )
    refused(
      await server.client({ directory: 'terms' }).newAccount({ onlyReturnExisting: true }),
      400,
      'accountDoesNotExist',
    )
    refused(await server.client().newAccount({ onlyReturnExisting: 'true' }), 400, 'malformed')
    assert.equal(await accounts(), before)
  })

  test('CQ-A03 onlyReturnExisting with a known key is 200 with Location', async () => {
    const client = await registered()
    const reply = await client.newAccount({ onlyReturnExisting: true })
    assert.equal(reply.status, 200)
    assert.equal(reply.headers.location, client.accountUrl)
    assert.equal('onlyReturnExisting' in reply.json, false)
  })

  test('CQ-A07 KF-B25 needs agreement only where there are terms, which the directory names', async () => {
    const directory = await server.client().get(`${PUBLIC_URL}/acme/terms/directory`)
    assert.equal(directory.json.meta.termsOfService, TERMS)
    const client = server.client({ directory: 'terms' })
    for (const payload of [{}, { termsOfServiceAgreed: false }, { termsOfServiceAgreed: null }]) {
      const reply = await client.newAccount(payload)
      assert.ok(refused(reply, 400, 'malformed').includes(TERMS))
      assert.match(String(reply.headers.link), /<https:\/\/docs\.test\/terms\.pdf>;rel="terms-of-service"/)
    }
    refused(await client.newAccount({ termsOfServiceAgreed: 'true' }), 400, 'malformed')
    const agreed = await client.newAccount({ termsOfServiceAgreed: true })
    assert.equal(agreed.status, 201)
    assert.equal(agreed.json.termsOfServiceAgreed, true)
    assert.equal((await client.newAccount({})).status, 200)
  })

  test('needs an object as payload', async () => {
    refused(await server.client().post(urls.newAccount, ''), 400, 'malformed')
  })

  test('KF-B23 CQ-J04 with an unacceptable key is badPublicKey, and stores nothing', async () => {
    const before = await accounts()
    const client = server.client()
    const { jwk } = client.key
    const short = Buffer.from(jwk['x']!, 'base64url').subarray(1).toString('base64url')
    assert.match(
      refused(await client.newAccount({}, { jwk: { ...jwk, x: short } }), 400, 'badPublicKey'),
      /"x" has 31 octets/,
    )
    refused(await client.newAccount({}, { jwk: { ...jwk, d: 'AAAA' } }), 400, 'badPublicKey')
    refused(await client.newAccount({}, { jwk: { ...jwk, y: jwk['x'] } }), 400, 'badPublicKey')
    const weak = generateTestKey('RS256', { rsaBits: 1024 })
    assert.match(refused(await server.client({ key: weak }).newAccount(), 400, 'badPublicKey'), /1024/)
    const odd = generateTestKey('RS256', { rsaBits: 2050 })
    refused(await server.client({ key: odd }).newAccount(), 400, 'badPublicKey')
    refused(await client.newAccount({}, { jwk: 'x' }), 400, 'badPublicKey')
    assert.equal(await accounts(), before)
  })

  test('KF-C13 with a key that was reported as compromised is badPublicKey', async () => {
    const client = server.client()
    const { createHash } = await import('node:crypto')
    const now = server.clock.now()
    await server.store.blockedKeys.block(createHash('sha256').update(client.key.spkiDer).digest('hex'), {
      now,
      reason: 'test',
      audit: { at: now, event: 'test', data: {} },
    })
    assert.match(refused(await client.newAccount(), 400, 'badPublicKey'), /compromised/)
  })

  test('the same key may have an account in each directory', async () => {
    const client = await registered()
    const other = server.client({ directory: 'other', key: client.key })
    const reply = await other.newAccount()
    assert.equal(reply.status, 201)
    assert.notEqual(reply.headers.location, client.accountUrl)
  })

  test('KF-B10 gives ids that tell nothing of each other', async () => {
    const ids: string[] = []
    for (let i = 0; i < 12; i++) ids.push(idOf(await registered()))
    assert.notDeepEqual(ids, [...ids].sort())
    for (const id of ids) assert.match(id, /^acc_[A-Za-z0-9_-]{22}$/)
  })

  test('is in the audit trail, with the request by which it came', async () => {
    const client = await registered()
    const [event] = await server.store.audit.findByReference(idOf(client), 10)
    assert.equal(event?.event, 'account.created')
    assert.match(event?.requestId ?? '', /^req_/)
    assert.equal(JSON.stringify(event).includes(client.key.jwk['x']!), false)
  })
})

describe('the account URL', () => {
  test('CQ-A05 only reads for "" and {}', async () => {
    const client = await registered()
    for (const payload of [
      '',
      {},
      { status: 'valid' },
      { status: 'revoked' },
      { orders: 'x', termsOfServiceAgreed: false, unknown: {} },
    ]) {
      const reply = await client.post(client.accountUrl!, payload)
      assert.equal(reply.status, 200, reply.text)
      assert.equal(reply.json.status, 'valid')
      assert.equal(reply.json.orders, `${client.accountUrl}/orders`)
    }
  })

  test('CQ-A05 changes the contact: absent leaves it, [] clears it', async () => {
    const client = await registered()
    const contactAfter = async (payload: unknown): Promise<unknown> =>
      (await client.post(client.accountUrl!, payload)).json.contact
    assert.deepEqual(await contactAfter({ contact: ['mailto:x@y.test', 'mailto:z@y.test'] }), [
      'mailto:x@y.test',
      'mailto:z@y.test',
    ])
    assert.deepEqual(await contactAfter({}), ['mailto:x@y.test', 'mailto:z@y.test'])
    refused(await client.post(client.accountUrl!, { contact: ['mailto:x'] }), 400, 'invalidContact')
    assert.deepEqual((await client.postAsGet(client.accountUrl!)).json.contact, ['mailto:x@y.test', 'mailto:z@y.test'])
    assert.equal(await contactAfter({ contact: [] }), undefined)
    assert.equal((await client.newAccount()).json.contact, undefined)
  })

  test('KF-B09 of another account is 403, just as one that does not exist, to read, change, close or list', async () => {
    const owner = await registered()
    const stranger = await registered()
    const absent = urls.account(`acc_${'A'.repeat(22)}`)
    for (const path of ['', '/orders']) {
      for (const payload of ['', {}, { contact: [] }, { status: 'deactivated' }]) {
        const foreign = refused(await stranger.post(owner.accountUrl! + path, payload), 403, 'unauthorized')
        const unknown = refused(await stranger.post(absent + path, payload), 403, 'unauthorized')
        assert.equal(foreign.replace(/req_\S+/, ''), unknown.replace(/req_\S+/, ''))
      }
    }
    assert.equal((await owner.postAsGet(owner.accountUrl!)).json.status, 'valid')
  })
})

describe('closing an account (RFC 8555 §7.3.6)', () => {
  test('is 200 once; from then on everything it signs is 401, and its key cannot register again', async () => {
    const client = await registered()
    const order = await client.newOrder(['closing.test'])
    assert.equal(order.status, 201, order.text)
    const reply = await client.post(client.accountUrl!, { status: 'deactivated', contact: ['mailto:x@y.test'] })
    assert.equal(reply.status, 200)
    assert.equal(reply.json.status, 'deactivated')
    assert.equal('contact' in reply.json, false)
    const all = [
      client.accountUrl!,
      `${client.accountUrl}/orders`,
      order.headers.location!,
      order.json.finalize,
      order.json.authorizations[0],
      urls.newOrder,
      urls.newAuthz,
      urls.keyChange,
      urls.revokeCert,
      urls.newNonce,
    ]
    for (const url of all) refused(await client.post(url, ''), 401, 'unauthorized')
    refused(await client.post(client.accountUrl!, { status: 'deactivated' }), 401, 'unauthorized')
    refused(await client.newAccount(), 401, 'unauthorized')
    refused(await client.newAccount({ onlyReturnExisting: true }), 401, 'unauthorized')
    refused(await client.post(urls.newAccount, {}, { kid: null }), 401, 'unauthorized')
  })

  test('fails its unfinished orders', async () => {
    const client = await registered()
    const order = await client.newOrder(['unfinished.test'])
    await client.post(client.accountUrl!, { status: 'deactivated' })
    const id = order.headers.location!.slice(order.headers.location!.lastIndexOf('/') + 1) as OrderId
    const found = await server.store.orders.get(id)
    assert.ok(found?.order.failedAt)
    assert.equal(found.order.error?.type, 'unauthorized')
  })

  test('is the same for one that the server revoked', async () => {
    const key = generateTestKey()
    const account = await server.account({
      jwk: key.jwk as never,
      thumbprint: key.thumbprint,
      revokedAt: server.clock.now(),
    })
    const client = server.client({ key })
    client.accountUrl = urls.account(account.record.id)
    refused(await client.postAsGet(client.accountUrl), 401, 'unauthorized')
    refused(await client.newAccount(), 401, 'unauthorized')
  })
})

describe('the list of orders', () => {
  test('CQ-A06 of none is an empty list in an object', async () => {
    const client = await registered()
    const reply = await client.postAsGet(`${client.accountUrl}/orders`)
    assert.equal(reply.status, 200)
    assert.equal(reply.text, '{"orders":[]}')
    assert.equal(String(reply.headers.link).includes('next'), false)
  })

  test('of 1, 2, 100 and 101 comes newest first, in pages that the client follows by rel="next"', async () => {
    const client = await registered()
    const made: string[] = []
    for (const count of [1, 2, 100, 101]) {
      while (made.length < count) made.unshift((await client.newOrder([`n${made.length}.test`])).headers.location!)
      const listed: string[] = []
      let pages = 0
      for (let next: string | undefined = `${client.accountUrl}/orders`; next !== undefined; pages++) {
        const reply: AcmeReply = await client.postAsGet(next)
        assert.equal(reply.status, 200, reply.text)
        listed.push(...reply.json.orders)
        next = /<([^>]+)>;rel="next"/.exec(String(reply.headers.link))?.[1]
      }
      assert.equal(pages, count > 100 ? 2 : 1)
      assert.deepEqual(new Set(listed), new Set(made))
      assert.equal(listed.length, count)
    }
  })

  test('with another query or payload is malformed', async () => {
    const client = await registered()
    const list = `${client.accountUrl}/orders`
    for (const query of [
      '?cursor=',
      '?x=1',
      '?cursor=a&cursor=b',
      '?cursor=a&x=1',
      '?cursor=%00',
      `?cursor=${'a'.repeat(300)}`,
    ]) {
      refused(await client.postAsGet(list + query), 400, 'malformed')
    }
    refused(await client.post(list, {}), 400, 'malformed')
  })
})

describe('CQ-D01 CQ-D02 CQ-D03 the directory', () => {
  test('has all resources as strings, and meta as an object, whatever is configured', async () => {
    const { json } = await server.client().get(urls.directory)
    assert.deepEqual(Object.keys(json), [
      'newNonce',
      'newAccount',
      'newOrder',
      'newAuthz',
      'revokeCert',
      'keyChange',
      'renewalInfo',
      'meta',
    ])
    for (const [name, value] of Object.entries(json)) assert.equal(typeof value, name === 'meta' ? 'object' : 'string')
    assert.equal(json.meta.externalAccountRequired, false)
    assert.deepEqual(Object.keys(json.meta.profiles), ['server'])
    assert.equal('termsOfService' in json.meta, false)
  })

  test('shows terms, website and CAA identities as configured', async () => {
    const own = await openEdgeServer({
      directory: {
        termsOfService: TERMS,
        website: 'https://docs.test/',
        caaIdentities: ['ca.test'],
        externalAccount: 'required',
      },
    })
    const { json } = await own.client().get(urls.directory)
    assert.deepEqual(
      { ...json.meta, profiles: undefined },
      {
        termsOfService: TERMS,
        website: 'https://docs.test/',
        caaIdentities: ['ca.test'],
        externalAccountRequired: true,
        profiles: undefined,
      },
    )
    await own.close()
  })
})
