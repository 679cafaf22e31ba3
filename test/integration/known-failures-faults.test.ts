import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { AcmeServices } from '../../src/acme/endpoint.ts'
import { acmeRoutes } from '../../src/acme/routes.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { AcmeReply, AcmeTestClient } from '../support/acme-test-client.ts'
import type { TestAccount } from '../support/acme-world.ts'
import { idIn } from '../support/acme-world.ts'
import { type EdgeServer, openEdgeServer, PUBLIC_URL } from '../support/edge-server.ts'
import { generateTestKey } from '../support/test-keys.ts'

/** Words of an inner failure that must not come out. */
const SECRET = 'SELECT mac_key FROM eab_keys; /var/lib/chancery/chancery.db'

/** They return nothing that could be rejected. */
const SYNCHRONOUS = [
  'validation.run',
  'validation.hasten',
  'validation.pressure',
  'validation.waitSeconds',
  'enrollment.pressure',
  'store.pressure',
]

/** Counts the calls that handlers make to what was handed to them, and lets one of them fail. */
class Saboteur {
  calls = 0
  #failAt = Number.POSITIVE_INFINITY
  #how: 'throws' | 'rejects' = 'throws'
  /** What failed. */
  failed: string | undefined

  arm(failAt: number, how: 'throws' | 'rejects'): void {
    this.calls = 0
    this.failed = undefined
    this.#failAt = failAt
    this.#how = how
  }

  disarm(): void {
    this.arm(Number.POSITIVE_INFINITY, 'throws')
  }

  wrap<T extends object>(target: T, name: string): T {
    return new Proxy(target, {
      get: (of, key) => {
        const member = Reflect.get(of, key)
        const label = `${name}.${String(key)}`
        if (typeof member === 'object' && member !== null) return this.wrap(member, label)
        if (typeof member !== 'function') return member
        return (...parameters: unknown[]) => {
          if (this.calls++ === this.#failAt) {
            this.failed = label
            const error = new Error(SECRET)
            if (this.#how === 'rejects' && !SYNCHRONOUS.includes(label)) return Promise.reject(error)
            throw error
          }
          return Reflect.apply(member, of, parameters)
        }
      },
    })
  }
}

let server: EdgeServer
const saboteur = new Saboteur()

before(async () => {
  server = await openEdgeServer({
    services: (base: AcmeServices) => ({
      store: saboteur.wrap(base.store, 'store'),
      enrollment: saboteur.wrap(base.enrollment, 'enrollment'),
      validation: saboteur.wrap(base.validation, 'validation'),
      revocation: saboteur.wrap(base.revocation, 'revocation'),
    }),
  })
})
after(() => server.close())

interface Standing {
  readonly by: TestAccount
  readonly client: AcmeTestClient
}

async function account(): Promise<Standing> {
  const by = await server.account()
  const client = server.client({ key: by.key })
  client.accountUrl = `${PUBLIC_URL}/acme/default/account/${by.record.id}`
  await client.newNonce()
  return { by, client }
}

let names = 0
async function order({ by, client }: Standing, isProved = false) {
  const name = `fault-${names++}.test`
  const placed = await client.newOrder([name])
  const [authorizationUrl] = placed.json.authorizations
  const authorization = await client.postAsGet(authorizationUrl)
  if (isProved) await server.prove(by, idIn(authorizationUrl))
  return { name, url: placed.headers.location ?? '', json: placed.json, authorizationUrl, authorization }
}

async function certificate(standing: Standing) {
  const placed = await order(standing, true)
  const { csr, key } = server.csr([placed.name])
  const finalized = await standing.client.post(placed.json.finalize, { csr })
  return { url: finalized.json.certificate as string, key }
}

const at = (path: string): string => `${PUBLIC_URL}/acme/default/${path}`

/** For each route: what brings about the state for it, and then the request, which succeeds if nothing fails. */
const STORIES: Record<string, () => Promise<() => Promise<AcmeReply>>> = {
  directory: async () => {
    const { client } = await account()
    return () => client.postAsGet(at('directory'))
  },
  'new-nonce': async () => {
    const { client } = await account()
    return () => client.postAsGet(at('new-nonce'))
  },
  'new-account': async () => {
    const client = server.client()
    await client.newNonce()
    const binding = await server.eabKey()
    const externalAccountBinding = await client.externalAccountBinding(binding.id, binding.macKey)
    return () => client.newAccount({ contact: ['mailto:a@a.test'], externalAccountBinding })
  },
  account: async () => {
    const { client } = await account()
    return () => client.post(client.accountUrl ?? '', { contact: ['mailto:a@a.test'] })
  },
  orders: async () => {
    const standing = await account()
    await order(standing)
    return () => standing.client.postAsGet(`${standing.client.accountUrl}/orders`)
  },
  'key-change': async () => {
    const { client } = await account()
    return () => client.keyChange(generateTestKey('ES256'))
  },
  'new-order': async () => {
    const { client } = await account()
    return () => client.newOrder([`fault-${names++}.test`])
  },
  order: async () => {
    const standing = await account()
    const { url } = await order(standing)
    return () => standing.client.postAsGet(url)
  },
  finalize: async () => {
    const standing = await account()
    const placed = await order(standing, true)
    const { csr } = server.csr([placed.name])
    return () => standing.client.post(placed.json.finalize, { csr })
  },
  'new-authz': async () => {
    const { client } = await account()
    return () => client.post(at('new-authz'), { identifier: { type: 'dns', value: `fault-${names++}.test` } })
  },
  authorization: async () => {
    const standing = await account()
    const { authorizationUrl } = await order(standing)
    return () => standing.client.post(authorizationUrl, { status: 'deactivated' })
  },
  challenge: async () => {
    const standing = await account()
    const { authorization } = await order(standing)
    return () => standing.client.post(authorization.json.challenges[0].url, {})
  },
  certificate: async () => {
    const standing = await account()
    const { url } = await certificate(standing)
    return () => standing.client.postAsGet(url)
  },
  'renewal-info': async () => {
    const standing = await account()
    const { url } = await certificate(standing)
    const { authorityKeyId, serial } = parseCertificate(
      new X509Certificate((await standing.client.postAsGet(url)).text).raw,
    )
    const id = [authorityKeyId, serial].map((bytes) => bytes?.toString('base64url')).join('.')
    return () => standing.client.postAsGet(at(`renewal-info/${id}`))
  },
  'revoke-cert': async () => {
    const standing = await account()
    const { url } = await certificate(standing)
    const der = new X509Certificate((await standing.client.postAsGet(url)).text).raw
    return () => standing.client.post(at('revoke-cert'), { certificate: der.toString('base64url') })
  },
}

test('KF-F14 there is a story for every route', () => {
  const routes = acmeRoutes('default', { allowCertificateGet: false }).map(({ name }) => name)
  assert.deepEqual([...new Set(routes)].sort(), Object.keys(STORIES).sort())
})

for (const [name, prepare] of Object.entries(STORIES)) {
  test(`KF-F14 KF-F21 ${name}: whichever call of its handler fails, thrown or rejected, the answer is clean and the server goes on`, async () => {
    saboteur.disarm()
    const act = await prepare()
    saboteur.disarm()
    const good = await act()
    assert.ok(good.status < 300, good.text)
    const calls = saboteur.calls
    assert.ok(calls > 0)
    for (let failAt = 0; failAt < calls; failAt++) {
      for (const how of ['throws', 'rejects'] as const) {
        saboteur.disarm()
        const again = await prepare()
        server.log.lines.length = 0
        saboteur.arm(failAt, how)
        const reply = await again()
        const { failed } = saboteur
        saboteur.disarm()
        assert.ok(failed, `call ${failAt} was not made`)
        assertClean(reply, `${failed} ${how}`)
      }
    }
    assert.equal((await server.client().newAccount()).status, 201)
  })
}

function assertClean(reply: AcmeReply, what: string): void {
  assert.equal(/SELECT|chancery\.db|\.ts:|node:internal/.test(reply.text), false, `${what}: ${reply.text}`)
  assert.match(String(reply.headers['replay-nonce']), /^[A-Za-z0-9_-]{40}$/, what)
  // What was done before the failure may be told all the same; then the failure is in the log.
  const isLogged = server.log.lines.some(
    ({ level, fields }) => level === 'error' && (fields['error'] as Error | undefined)?.message.includes(SECRET),
  )
  assert.ok(isLogged, `${what}: nothing in the log, answered ${reply.status} ${reply.text}`)
  if (reply.status < 300) return
  assert.ok([500, 503].includes(reply.status), `${what}: ${reply.status} ${reply.text}`)
  assert.equal(reply.headers['content-type'], 'application/problem+json')
  assert.equal(reply.json.type, 'urn:ietf:params:acme:error:serverInternal')
  assert.match(reply.json.detail, /reference req_[A-Za-z0-9_-]{22}/)
}
