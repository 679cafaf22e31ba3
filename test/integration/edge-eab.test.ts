import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { directoryUrls } from '../../src/acme/urls.ts'
import type { AcmeReply } from '../support/acme-test-client.ts'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer, PUBLIC_URL } from '../support/edge-server.ts'
import { revokeEabKey } from '../support/records.ts'
import { flattenedJws, generateTestKey } from '../support/test-keys.ts'

const urls = directoryUrls(PUBLIC_URL, 'default')
let server: EdgeServer
before(async () => {
  server = await openEdgeServer({
    directory: { externalAccount: 'required' },
    directories: { optional: { externalAccount: 'optional' }, none: {} },
  })
})
after(() => server.close())

function refused(reply: AcmeReply, status: number, type: string): string {
  assert.equal(reply.status, status, reply.text)
  assert.equal(reply.json.type, `urn:ietf:params:acme:error:${type}`, reply.text)
  assert.ok(reply.headers['replay-nonce'])
  return reply.json.detail
}
const withoutReference = (detail: string): string => detail.replace(/ \(reference .*\)$/, '')
const accounts = async (): Promise<number> => (await server.store.retention.counts())['accounts']!

describe('CQ-A11 a binding with each MAC algorithm', () => {
  for (const [alg, hash] of [
    ['HS256', 'sha256'],
    ['HS384', 'sha384'],
    ['HS512', 'sha512'],
  ] as const) {
    test(`${alg} opens the account, which shows it unchanged`, async () => {
      const client = server.client()
      const { id, macKey } = await server.eabKey()
      const binding = await client.externalAccountBinding(id, macKey, { alg, hash })
      const reply = await client.newAccount({ externalAccountBinding: binding })
      assert.equal(reply.status, 201, reply.text)
      assert.deepEqual(reply.json.externalAccountBinding, binding)
      assert.deepEqual((await client.postAsGet(client.accountUrl!)).json.externalAccountBinding, binding)
      assert.equal((await server.store.eabKeys.find(id))?.usedBy, client.accountUrl!.split('/').at(-1))
    })
  }
})

test('a directory that needs a binding says so in meta, and refuses accounts without one', async () => {
  assert.equal((await server.client().get(urls.directory)).json.meta.externalAccountRequired, true)
  for (const payload of [{}, { externalAccountBinding: null }]) {
    refused(await server.client().newAccount(payload), 403, 'externalAccountRequired')
  }
})

test('where it is optional none is needed, but one that is sent must hold; where there is none it is ignored and not shown', async () => {
  const { id, macKey } = await server.eabKey({ directory: 'optional' })
  assert.equal((await server.client({ directory: 'optional' }).newAccount()).status, 201)
  const client = server.client({ directory: 'optional' })
  refused(
    await client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, randomBytes(32)) }),
    403,
    'unauthorized',
  )
  assert.equal(
    (await client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey) })).status,
    201,
  )
  const unbound = await server.client({ directory: 'none' }).newAccount({ externalAccountBinding: { x: 1 } })
  assert.equal(unbound.status, 201)
  assert.equal('externalAccountBinding' in unbound.json, false)
})

describe('KF-B14 a binding that does not hold opens nothing', () => {
  test('over another key, for another url, or for the url of another base', async () => {
    const client = server.client()
    const { id, macKey } = await server.eabKey()
    const before = await accounts()
    const forms = [
      { payload: generateTestKey().jwk },
      { url: `${PUBLIC_URL}/acme/optional/new-account` },
      { url: 'https://evil.test/acme/default/new-account' },
      { url: `${urls.newAccount}/` },
    ]
    for (const forge of forms) {
      refused(
        await client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey, forge) }),
        403,
        'unauthorized',
      )
    }
    assert.equal(await accounts(), before)
    assert.equal(
      (await client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey) })).status,
      201,
    )
  })

  test('a payload that spells the same key otherwise is the same key; one with private members is none', async () => {
    const client = server.client()
    const { id, macKey } = await server.eabKey()
    const secret = { ...client.key.jwk, d: 'AAAA' }
    refused(
      await client.newAccount({
        externalAccountBinding: await client.externalAccountBinding(id, macKey, { payload: secret }),
      }),
      400,
      'badPublicKey',
    )
    const { kty, crv, x, y } = client.key.jwk
    const reordered = { use: 'sig', y, x, crv, kty }
    assert.equal(
      (
        await client.newAccount({
          externalAccountBinding: await client.externalAccountBinding(id, macKey, { payload: reordered }),
        })
      ).status,
      201,
    )
  })

  test('signed with anything but a MAC', async () => {
    const client = server.client()
    const { id, macKey } = await server.eabKey()
    const header = { kid: id, url: urls.newAccount }
    for (const algorithm of ['ES256', 'RS256', 'EdDSA'] as const) {
      const key = generateTestKey(algorithm)
      const reply = await client.newAccount({
        externalAccountBinding: flattenedJws({ ...header, alg: algorithm }, client.key.jwk, { key }),
      })
      refused(reply, 400, 'badSignatureAlgorithm')
      assert.deepEqual(reply.json.algorithms, ['HS256', 'HS384', 'HS512'])
    }
    refused(
      await client.newAccount({
        externalAccountBinding: await client.externalAccountBinding(id, macKey, { alg: 'none' }),
      }),
      400,
      'badSignatureAlgorithm',
    )
    refused(
      await client.newAccount({
        externalAccountBinding: await client.externalAccountBinding(id, macKey, { alg: 'HS384' }),
      }),
      403,
      'unauthorized',
    )
  })

  test('CQ-N06 with a nonce, also an empty one, is malformed and says so', async () => {
    const client = server.client()
    const { id, macKey } = await server.eabKey()
    for (const nonce of ['', 'AAAA']) {
      const binding = await client.externalAccountBinding(id, macKey, { header: { nonce } })
      assert.match(
        refused(await client.newAccount({ externalAccountBinding: binding }), 400, 'malformed'),
        /"nonce"; leave it out/,
      )
    }
  })

  test('of a wrong shape is malformed', async () => {
    const client = server.client()
    const { id, macKey } = await server.eabKey()
    const binding = await client.externalAccountBinding(id, macKey)
    const shapes = [
      'x',
      [],
      1,
      true,
      {},
      { ...binding, header: {} },
      { ...binding, signatures: [] },
      { ...binding, signature: '' },
      { ...binding, payload: '' },
      { ...binding, signature: `${binding.signature}=` },
      await client.externalAccountBinding('', macKey),
      await client.externalAccountBinding('x'.repeat(300), macKey),
      await client.externalAccountBinding(id, macKey, { header: { kid: 5 } }),
      await client.externalAccountBinding(id, macKey, { header: { jwk: client.key.jwk } }),
      await client.externalAccountBinding(id, macKey, { header: { crit: ['x'] } }),
      await client.externalAccountBinding(id, macKey, { header: { url: 5 } }),
    ]
    for (const shape of shapes) refused(await client.newAccount({ externalAccountBinding: shape }), 400, 'malformed')
  })
})

test('KF-B15 CQ-A09 an unknown, foreign, used, revoked or expired key and a wrong MAC are told in the same words, which help with the usual mistake', async () => {
  const client = server.client()
  const good = await server.eabKey()
  const used = await server.eabKey()
  const first = server.client()
  assert.equal(
    (await first.newAccount({ externalAccountBinding: await first.externalAccountBinding(used.id, used.macKey) }))
      .status,
    201,
  )
  const revoked = await server.eabKey()
  const now = server.clock.now()
  await revokeEabKey(server.store, revoked.id, now)
  const expired = await server.eabKey({ expiresAt: now })
  const foreign = await server.eabKey({ directory: 'optional' })
  const asText = Buffer.from(good.macKey.toString('base64url'))
  const attempts: [string, string, Buffer][] = [
    ['unknown, well-formed', `eab_${'A'.repeat(22)}`, randomBytes(32)],
    ['unknown, of another form', 'my-key', randomBytes(32)],
    ['__proto__', '__proto__', randomBytes(32)],
    ['used', used.id, used.macKey],
    ['revoked', revoked.id, revoked.macKey],
    ['expired', expired.id, expired.macKey],
    ['of another directory', foreign.id, foreign.macKey],
    ['wrong key', good.id, randomBytes(32)],
    ['key not decoded', good.id, asText],
    ['key decoded as standard base64 text', good.id, Buffer.from(good.macKey.toString('base64'))],
  ]
  const details = new Set<string>()
  for (const [, kid, macKey] of attempts) {
    details.add(
      withoutReference(
        refused(
          await client.newAccount({ externalAccountBinding: await client.externalAccountBinding(kid, macKey) }),
          403,
          'unauthorized',
        ),
      ),
    )
  }
  const binding = await client.externalAccountBinding(good.id, good.macKey)
  for (const signature of [
    'AA',
    randomBytes(31).toString('base64url'),
    randomBytes(33).toString('base64url'),
    `${binding.signature}AAAA`,
  ]) {
    details.add(
      withoutReference(
        refused(await client.newAccount({ externalAccountBinding: { ...binding, signature } }), 403, 'unauthorized'),
      ),
    )
  }
  assert.equal(details.size, 1, [...details].join('\n'))
  assert.match([...details][0]!, /decode it to bytes/)
  assert.equal((await client.newAccount({ externalAccountBinding: binding })).status, 201)
})

test('CQ-A10 a known account key is 200 whatever its binding says, even when it is spent; another account key is refused', async () => {
  const client = server.client()
  const { id, macKey } = await server.eabKey()
  const binding = await client.externalAccountBinding(id, macKey)
  assert.equal((await client.newAccount({ externalAccountBinding: binding })).status, 201)
  for (const externalAccountBinding of [binding, { x: 1 }, null]) {
    const reply = await client.newAccount({ externalAccountBinding })
    assert.equal(reply.status, 200)
    assert.deepEqual(reply.json.externalAccountBinding, binding)
  }
  const other = server.client()
  refused(
    await other.newAccount({ externalAccountBinding: await other.externalAccountBinding(id, macKey) }),
    403,
    'unauthorized',
  )
})

test('KF-B14 one key used by twenty accounts at once opens one', async () => {
  const { id, macKey } = await server.eabKey()
  const before = await accounts()
  const clients = Array.from({ length: 20 }, () => server.client())
  const replies = await Promise.all(
    clients.map(async (client) =>
      client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey) }),
    ),
  )
  assert.equal(replies.filter(({ status }) => status === 201).length, 1)
  for (const reply of replies) if (reply.status !== 201) refused(reply, 403, 'unauthorized')
  assert.equal(await accounts(), before + 1)
})

test('CQ-A03 onlyReturnExisting is answered before the binding is looked at', async () => {
  refused(
    await server.client().newAccount({ onlyReturnExisting: true, externalAccountBinding: { x: 1 } }),
    400,
    'accountDoesNotExist',
  )
})
