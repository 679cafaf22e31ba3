import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { AcmeServices } from '../../src/acme/endpoint.ts'
import { directoryUrls } from '../../src/acme/urls.ts'
import type { Store } from '../../src/store/store.ts'
import { StoreError } from '../../src/store/store.ts'
import type { AcmeReply } from '../support/acme-test-client.ts'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer, PUBLIC_URL } from '../support/edge-server.ts'

const SECRET = 'SELECT * FROM accounts at /home/chancery/chancery.db'
const urls = directoryUrls(PUBLIC_URL, 'default')

/** A server whose store can be made to fail: `break_` names a method, and what it throws. */
async function openFragileServer() {
  const faults = new Map<string, Error>()
  const server = await openEdgeServer({ services: ({ store }: AcmeServices) => ({ store: fragile(store, faults) }) })
  return { server, faults }
}

function fragile(store: Store, faults: Map<string, Error>): Store {
  const nouns = Object.entries(store).map(([noun, methods]) => {
    if (typeof methods !== 'object' || methods === null) return [noun, methods]
    const proxy = new Proxy(methods, {
      get(target, name) {
        const method = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        return async (...parameters: unknown[]) => {
          const fault = faults.get(`${noun}.${String(name)}`)
          if (fault !== undefined) throw fault
          return Reflect.apply(method, target, parameters)
        }
      },
    })
    return [noun, proxy]
  })
  return { ...store, ...Object.fromEntries(nouns) }
}

function assertClean(reply: AcmeReply, status: number): void {
  assert.equal(reply.status, status, reply.text)
  assert.equal(reply.headers['content-type'], 'application/problem+json')
  assert.equal(reply.json.type, 'urn:ietf:params:acme:error:serverInternal')
  assert.equal(reply.json.status, status)
  assert.match(reply.json.detail, /reference req_[A-Za-z0-9_-]{22}/)
  assert.match(String(reply.headers['replay-nonce']), /^[A-Za-z0-9_-]{40}$/)
  assert.equal(/SELECT|chancery\.db|\.ts|\(file|node:/.test(reply.text), false, reply.text)
}

describe('KF-F14 KF-F21 a fault anywhere is one clean answer', () => {
  let server: EdgeServer
  let faults: Map<string, Error>
  before(async () => {
    const opened = await openFragileServer()
    server = opened.server
    faults = opened.faults
  })
  after(() => server.close())

  const cases: [string, (server: EdgeServer) => Promise<AcmeReply>][] = [
    ['accounts.findByThumbprint', (server) => server.client().newAccount()],
    ['blockedKeys.isBlocked', (server) => server.client().newAccount()],
    ['accounts.create', (server) => server.client().newAccount()],
    ['nonces.spend', (server) => server.client().newAccount()],
    ['accounts.find', (server) => account(server, (client) => client.postAsGet(client.accountUrl!))],
    [
      'accounts.updateContact',
      (server) => account(server, (client) => client.post(client.accountUrl!, { contact: [] })),
    ],
    [
      'accounts.deactivate',
      (server) => account(server, (client) => client.post(client.accountUrl!, { status: 'deactivated' })),
    ],
    ['orders.listIds', (server) => account(server, (client) => client.postAsGet(`${client.accountUrl}/orders`))],
    ['accounts.changeKey', (server) => account(server, (client) => client.keyChange(server.client().key))],
    ['orders.find', (server) => account(server, (client) => client.postAsGet(urls.order(`ord_${'A'.repeat(22)}`)))],
    [
      'authorizations.find',
      (server) => account(server, (client) => client.postAsGet(urls.authorization(`azr_${'A'.repeat(22)}`))),
    ],
    [
      'authorizations.findChallenge',
      (server) => account(server, (client) => client.postAsGet(urls.challenge(`chl_${'A'.repeat(22)}`))),
    ],
    [
      'certificates.findForAccount',
      (server) => account(server, (client) => client.postAsGet(urls.certificate('0a0b'))),
    ],
    ['orders.create', (server) => account(server, (client) => client.newOrder(['a.test']))],
    [
      'authorizations.create',
      (server) =>
        account(server, (client) => client.post(urls.newAuthz, { identifier: { type: 'dns', value: 'a.test' } })),
    ],
  ]

  async function account(
    server: EdgeServer,
    act: (client: ReturnType<EdgeServer['client']>) => Promise<AcmeReply>,
  ): Promise<AcmeReply> {
    const { record, key } = await server.account()
    const client = server.client({ key })
    client.accountUrl = urls.account(record.id)
    return act(client)
  }

  for (const [method, act] of cases) {
    test(`when ${method} throws: 500 that tells nothing, a logged cause, and a server that goes on`, async () => {
      server.log.lines.length = 0
      faults.clear()
      faults.set(method, new Error(SECRET))
      const reply = await act(server)
      assertClean(reply, 500)
      const [line] = server.log.of('acme.request').filter((fields) => fields['status'] === 500)
      assert.ok(line, 'no line in the log')
      assert.ok(reply.json.detail.includes(line['requestId']))
      assert.equal((line['error'] as Error).message, SECRET)
      faults.clear()
      assert.equal((await server.client().newAccount()).status, 201)
    })
  }

  test('KF-E03 KF-F07 a full or busy store is 503 with Retry-After in whole seconds', async () => {
    faults.clear()
    for (const code of ['full', 'busy'] as const) {
      faults.set('accounts.create', new StoreError(code, SECRET))
      const reply = await server.client().newAccount()
      assertClean(reply, 503)
      assert.match(String(reply.headers['retry-after']), /^[1-9]\d?$/)
    }
    faults.set('accounts.create', new StoreError('failed', SECRET))
    assertClean(await server.client().newAccount(), 500)
    faults.clear()
  })

  test('a nonce that could not be spent is no reason to tell less of a bad signature', async () => {
    faults.clear()
    const client = server.client()
    await client.newNonce()
    faults.set('nonces.spend', new Error(SECRET))
    const reply = await client.newAccount({}, { signature: (good) => Buffer.alloc(good.length) })
    assert.equal(reply.status, 400)
    assert.equal(reply.json.type, 'urn:ietf:params:acme:error:malformed')
    faults.clear()
  })
})

test('KF-E05 an account that ends between its authentication and its change is 401', async () => {
  const server = await openEdgeServer({
    services: ({ store }) => ({
      store: {
        ...store,
        accounts: { ...bound(store.accounts), updateContact: async () => undefined, deactivate: async () => undefined },
      },
    }),
  })
  try {
    const client = server.client()
    await client.newAccount()
    assert.equal((await client.post(client.accountUrl!, { contact: [] })).status, 401)
    assert.equal((await client.post(client.accountUrl!, { status: 'deactivated' })).status, 401)
  } finally {
    await server.close()
  }
})

function bound<T extends object>(value: T): T {
  return new Proxy(value, {
    get(target, name) {
      const member = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
    ownKeys: (target) => Reflect.ownKeys(target),
  })
}
