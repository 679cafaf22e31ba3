import assert from 'node:assert/strict'
import { createHmac, randomBytes, X509Certificate } from 'node:crypto'
import { after, before, test } from 'node:test'
import { acmeRoutes } from '../../src/acme/routes.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { type IssuedOrder, issueOrder, placeOrder, proveOrder } from '../support/acme-story.ts'
import { type AcmeReply, AcmeTestClient, type Forge } from '../support/acme-test-client.ts'
import { startTestChancery, type TestChancery } from '../support/chancery.ts'
import { type HttpTarget, startHttpTarget } from '../support/http-target.ts'
import { generateTestKey, type TestKey } from '../support/test-keys.ts'

let chancery: TestChancery
let target: HttpTarget
const clients: AcmeTestClient[] = []
/** An account with one of everything, and others that have nothing to do with it. */
let owner: AcmeTestClient
let stranger: AcmeTestClient
let ended: AcmeTestClient
let elsewhere: AcmeTestClient
let issued: IssuedOrder
let ready: { orderUrl: string; finalizeUrl: string }

before(async () => {
  target = await startHttpTarget({ address: '127.0.0.1' })
  chancery = await startTestChancery({
    set: [`validation.http01.port=${target.port}`, 'directories.default={}', 'directories.other={}'],
  })
  owner = await newClient()
  stranger = await newClient()
  ended = await newClient()
  elsewhere = await newClient('other')
  assert.equal((await ended.post(ended.accountUrl ?? '', { status: 'deactivated' })).status, 200)
  issued = await issueOrder(owner, 'mine.localhost', target)
  const placed = await placeOrder(owner, 'ready.localhost')
  await proveOrder(owner, placed, target)
  ready = placed
})

after(async () => {
  for (const client of clients) client.close()
  await chancery?.stop()
  await target?.close()
})

function clientFor(directory = 'default', key = generateTestKey('ES256')): AcmeTestClient {
  const directoryUrl = chancery.urls.directory.replace('/default/', `/${directory}/`)
  const client = new AcmeTestClient({ directoryUrl, ca: chancery.rootPem, key })
  clients.push(client)
  return client
}

async function newClient(directory = 'default'): Promise<AcmeTestClient> {
  const client = clientFor(directory)
  assert.equal((await client.newAccount()).status, 201)
  return client
}

/** The URL of each resource, with the ids of what the owner has. */
function urlOf(path: string): string {
  const idOf = (url: string): string => url.split('/').at(-1) ?? ''
  const ids: Record<string, string> = {
    account: idOf(owner.accountUrl ?? ''),
    // Finalizing is tried on an order that is ready for it.
    order: idOf(path.endsWith('/finalize') ? ready.orderUrl : issued.orderUrl),
    authz: idOf(issued.authorizationUrl),
    challenge: idOf(issued.challenge.url),
    certificate: idOf(issued.certificateUrl),
    'renewal-info': certificateId(),
  }
  return (
    chancery.urls.base +
    path.replace(/\/([a-z-]+)\/:(?:id|serial)/, (_, noun) => `/${noun}/${ids[noun]}`).replace(':alternate', '0')
  )
}

/** What endpoints say to an empty object. */
const ASKS_FOR_MORE = /inner JWS|"csr"|"certificate"|"identifiers"|"identifier"/

/**
 * What became of a request: `in` when the endpoint itself answered, be it that it wants more than an empty object,
 * else the refusal.
 */
function outcomeOf(reply: AcmeReply): string {
  if (reply.status < 300) return 'in'
  const { type = '', detail = '' } = reply.json ?? {}
  if (ASKS_FOR_MORE.test(detail)) return 'in'
  return `${reply.status} ${type.split(':').at(-1)}`
}

interface Credential {
  readonly forge: () => Forge
  /** The expected outcome by who signs for the route; owned: what is not the requester's. */
  readonly account: string
  readonly key: string
  readonly either: string
}

const MALFORMED = '400 malformed'
const ABSENT = '404 malformed'
const UNKNOWN = '400 accountDoesNotExist'
const hmacKey = randomBytes(32)
const signedBy = (client: () => AcmeTestClient) => (): Forge => ({ kid: client().accountUrl ?? '', key: client().key })
const asJwk = (keyOf: () => TestKey) => (): Forge => {
  const key = keyOf()
  return { kid: null, key, jwk: key.jwk }
}

const CREDENTIALS: Record<string, Credential> = {
  'the account itself': { forge: signedBy(() => owner), account: 'in', key: MALFORMED, either: 'in' },
  'another account': { forge: signedBy(() => stranger), account: 'foreign', key: MALFORMED, either: 'in' },
  'the URL of the account with another key': {
    forge: () => ({ kid: owner.accountUrl ?? '', key: stranger.key }),
    account: MALFORMED,
    key: MALFORMED,
    either: MALFORMED,
  },
  'a closed account': {
    forge: signedBy(() => ended),
    account: '401 unauthorized',
    key: MALFORMED,
    either: '401 unauthorized',
  },
  'the key of a closed account': {
    forge: asJwk(() => ended.key),
    account: MALFORMED,
    key: '401 unauthorized',
    either: 'in',
  },
  'an account of another directory': {
    forge: signedBy(() => elsewhere),
    account: UNKNOWN,
    key: MALFORMED,
    either: UNKNOWN,
  },
  'an account of another server': {
    forge: () => ({ kid: (owner.accountUrl ?? '').replace('//localhost', '//ca.example'), key: owner.key }),
    account: UNKNOWN,
    key: MALFORMED,
    either: UNKNOWN,
  },
  'a new key': { forge: asJwk(() => generateTestKey('ES256')), account: MALFORMED, key: 'in', either: 'in' },
  'the account key as jwk': { forge: asJwk(() => owner.key), account: MALFORMED, key: 'in', either: 'in' },
  'the key of a certificate': { forge: asJwk(() => issued.key), account: MALFORMED, key: 'in', either: 'in' },
  'both kid and jwk': {
    forge: () => ({ kid: owner.accountUrl ?? '', jwk: owner.key.jwk, key: owner.key }),
    account: MALFORMED,
    key: MALFORMED,
    either: MALFORMED,
  },
  'neither kid nor jwk': {
    forge: () => ({ kid: null, jwk: null, key: owner.key }),
    account: MALFORMED,
    key: MALFORMED,
    either: MALFORMED,
  },
  'an external account key and its MAC': {
    forge: () => ({
      kid: `eab_${'A'.repeat(22)}`,
      alg: 'HS256',
      jws: (jws) => ({
        ...jws,
        signature: createHmac('sha256', hmacKey).update(`${jws.protected}.${jws.payload}`).digest('base64url'),
      }),
    }),
    account: '400 badSignatureAlgorithm',
    key: '400 badSignatureAlgorithm',
    either: '400 badSignatureAlgorithm',
  },
  'no signature at all': {
    forge: () => ({ kid: owner.accountUrl ?? '', alg: 'none', signature: () => '' }),
    account: MALFORMED,
    key: MALFORMED,
    either: MALFORMED,
  },
}

/** Routes to something of one account, and what the rest of the world is told there. */
const OWNED: Record<string, string> = {
  account: '403 unauthorized',
  orders: '403 unauthorized',
  order: ABSENT,
  finalize: ABSENT,
  authorization: ABSENT,
  challenge: ABSENT,
  certificate: ABSENT,
}
/** Routes that take an empty payload; the others get an empty object. */
const READ = [
  'directory',
  'new-nonce',
  'account',
  'orders',
  'order',
  'authorization',
  'challenge',
  'certificate',
  'renewal-info',
]

for (const [name, credential] of Object.entries(CREDENTIALS)) {
  test(`KF-B08 KF-B16 ${name}: which endpoints it opens, of all there are`, async () => {
    const seen: Record<string, string> = {}
    const expected: Record<string, string> = {}
    for (const route of acmeRoutes('default', { allowCertificateGet: false })) {
      const client = clientFor()
      const reply = await client.post(urlOf(route.path), READ.includes(route.name) ? '' : {}, credential.forge())
      const wanted = credential[route.signer]
      // Nobody has an alternate chain here, so its owner is let in to hear just that.
      const isAbsent = wanted === 'in' && route.path.endsWith('/:alternate')
      expected[route.path] = wanted === 'foreign' ? (OWNED[route.name] ?? 'in') : isAbsent ? ABSENT : wanted
      seen[route.path] = outcomeOf(reply)
      client.close()
    }
    assert.deepEqual(seen, expected)
  })
}

test('KF-B16 without any credential only the directory, a nonce and renewal information are to be had', async () => {
  const open: string[] = []
  for (const route of acmeRoutes('default', { allowCertificateGet: false })) {
    const reply = await owner.get(urlOf(route.path))
    if (reply.status < 300) open.push(route.name)
    else assert.equal(reply.status, 405, route.path)
  }
  assert.deepEqual(open, ['directory', 'new-nonce', 'renewal-info'])
})

/** The certificate as renewal information names it (RFC 9773 §4.1). */
function certificateId(): string {
  const { authorityKeyId, serial } = parseCertificate(new X509Certificate(issued.pem).raw)
  return [authorityKeyId, serial].map((bytes) => bytes?.toString('base64url')).join('.')
}

const serialOf = ({ certificateUrl }: IssuedOrder): string => certificateUrl.split('/').at(-1) ?? ''
const typeOf = ({ json }: AcmeReply): string => String(json?.type).split(':').at(-1) ?? ''

test('KF-B09 a stranger who tries to change everything of another account changes nothing', async () => {
  const certificate = new X509Certificate(issued.pem).raw.toString('base64url')
  const { revokeCert, keyChange } = await stranger.directory()
  const inner = await stranger.keyChangeInner(generateTestKey('ES256'), {
    payload: { account: owner.accountUrl, oldKey: owner.key.jwk },
  })
  const attempts: [string | undefined, object][] = [
    [owner.accountUrl, { contact: ['mailto:evil@a.test'] }],
    [owner.accountUrl, { status: 'deactivated' }],
    [keyChange, inner],
    [ready.finalizeUrl, { csr: stranger.csr(['ready.localhost']).base64url }],
    [issued.authorizationUrl, { status: 'deactivated' }],
    [issued.challenge.url, {}],
    [revokeCert, { certificate }],
  ]
  for (const [url = '', payload] of attempts) {
    const reply = await stranger.post(url, payload)
    assert.ok(reply.status >= 400 && reply.status < 500, `${url}: ${reply.text}`)
  }
  const account = await owner.postAsGet(owner.accountUrl ?? '')
  assert.deepEqual([account.json.status, account.json.contact ?? []], ['valid', []])
  assert.equal((await owner.postAsGet(issued.authorizationUrl)).json.status, 'valid')
  assert.equal((await owner.postAsGet(ready.orderUrl)).json.status, 'ready')
  const [stored] = await chancery.store.certificates.findBySerial(serialOf(issued))
  assert.ok(stored)
  assert.equal(stored.revokedAt, undefined)
})

test('KF-B17 of every status that a client may write only "deactivated" does anything', async () => {
  const client = await newClient()
  const placed = await placeOrder(client, 'status.localhost')
  const statuses = ['valid', 'invalid', 'pending', 'processing', 'ready', 'revoked', 'expired', 'Deactivated', '', 'x']
  for (const status of [...statuses, null, 5, true, {}, ['deactivated']]) {
    const account = await client.post(client.accountUrl ?? '', { status })
    assert.equal(account.json.status, 'valid', JSON.stringify(status))
    const authorization = await client.post(placed.authorizationUrl, { status })
    assert.deepEqual([authorization.status, typeOf(authorization)], [400, 'malformed'], JSON.stringify(status))
    assert.equal((await client.postAsGet(placed.authorizationUrl)).json.status, 'pending')
  }
  assert.equal((await client.post(placed.authorizationUrl, { status: 'deactivated' })).json.status, 'deactivated')
  assert.equal((await client.post(client.accountUrl ?? '', { status: 'deactivated' })).json.status, 'deactivated')
})

test('KF-A30 KF-B17 identifier types without a handler are refused, those of device attestation too, and no challenge is offered for them', async () => {
  const types = [
    'bundleEID',
    'permanent-identifier',
    'hardware-module',
    'TNAuthList',
    'onion',
    '__proto__',
    'constructor',
    '',
  ]
  for (const type of types) {
    const reply = await owner.newOrder([{ type, value: 'x.localhost' }])
    assert.equal(typeOf(reply), 'unsupportedIdentifier', type)
  }
  const { newOrder, newAuthz } = await owner.directory()
  for (const type of [null, 5, {}, ['dns']]) {
    const reply = await owner.post(newOrder ?? '', { identifiers: [{ type, value: 'x.localhost' }] })
    assert.equal(typeOf(reply), 'malformed', JSON.stringify(type))
  }
  const offered = await owner.post(newAuthz ?? '', { identifier: { type: 'dns', value: 'offered.localhost' } })
  assert.deepEqual(
    offered.json.challenges.map(({ type }: { type: string }) => type),
    ['http-01', 'dns-01', 'tls-alpn-01'],
  )
})

test('KF-B20 "replaces" gains nothing, whoever the certificate belongs to', async () => {
  for (const replaces of [certificateId(), 'x', null]) {
    const reply = await stranger.newOrder(['mine.localhost'], { replaces })
    assert.equal(reply.status, 201, reply.text)
    assert.equal('replaces' in reply.json, false)
    assert.equal(reply.json.status, 'pending', 'an order of another account needs a proof of its own')
  }
  const own = await owner.newOrder(['mine.localhost', 'again.localhost'], { replaces: certificateId() })
  assert.equal(own.json.replaces, certificateId())
  assert.equal(own.json.status, 'pending', 'an order for another name needs a proof of its own')
  const denied = await stranger.newOrder(['www.example.com'], { replaces: certificateId() })
  assert.equal(typeOf(denied), 'rejectedIdentifier')
})
