import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { changeLineage, expiring, updating } from '../../src/external-accounts/lineage.ts'
import type { EabKeyRecord } from '../../src/store/records.ts'
import type { AcmeReply } from '../support/acme-test-client.ts'
import type { EdgeServer } from '../support/edge-server.ts'
import { openEdgeServer } from '../support/edge-server.ts'
import { hours, later, revokeEabKey } from '../support/records.ts'
import { generateTestKey } from '../support/test-keys.ts'

let server: EdgeServer
before(async () => {
  server = await openEdgeServer({ directory: { externalAccount: 'required' } })
})
after(() => server.close())

async function registered(facts: Partial<EabKeyRecord> = {}) {
  const { id, macKey } = await server.eabKey(facts)
  const client = server.client()
  const reply = await client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey) })
  assert.equal(reply.status, 201, reply.text)
  return { client, id, macKey }
}

function refused(reply: AcmeReply): void {
  assert.equal(reply.status, 403, reply.text)
  assert.equal(reply.json.type, 'urn:ietf:params:acme:error:unauthorized')
  assert.match(reply.json.detail, /external account key of this account was revoked or has expired/)
}

describe('an account whose external account key has ended', () => {
  test('is refused on every request at once: reading, ordering, changing its key, registering again', async () => {
    const { client, id } = await registered()
    const order = await client.newOrder(['a.test'])
    assert.equal(order.status, 201, order.text)
    await revokeEabKey(server.store, id, server.clock.now())
    refused(await client.postAsGet(client.accountUrl!))
    refused(await client.post(client.accountUrl!, { contact: [] }))
    refused(await client.newOrder(['b.test']))
    refused(await client.postAsGet(order.headers.location!))
    refused(await client.post(order.json.finalize, { csr: 'AA' }))
    refused(await client.postAsGet(order.json.authorizations[0]))
    refused(await client.newAccount({}))
    refused(await client.newAccount({ onlyReturnExisting: true }))
    refused(await client.keyChange(generateTestKey()))
  })

  test('goes on when it is told to be left, and no other account can be made', async () => {
    const { client, id, macKey } = await registered({ maxUses: 'unlimited' })
    await revokeEabKey(server.store, id, server.clock.now(), { keepAccounts: true })
    assert.equal((await client.newOrder(['a.test'])).status, 201)
    const other = server.client()
    const reply = await other.newAccount({ externalAccountBinding: await other.externalAccountBinding(id, macKey) })
    assert.equal(reply.status, 403, reply.text)
  })

  test('is stopped at the instant of the expiry, and comes back when that is put off', async () => {
    const { client, id } = await registered()
    const now = server.clock.now()
    await changeLineage(server.store.eabKeys, id, expiring({ id, now, at: now }))
    refused(await client.newOrder(['a.test']))
    await changeLineage(server.store.eabKeys, id, updating({ id, now }, { expiresAt: later(now, hours(1)) }))
    assert.equal((await client.newOrder(['a.test'])).status, 201)
  })

  test('is not touched by the end of the time for registering, nor by the key being used up', async () => {
    const { client } = await registered({ expiresAt: later(server.clock.now(), 1000) })
    await server.clock.advance(2000)
    assert.equal((await client.newOrder(['a.test'])).status, 201)
  })
})

test('KF-B14 of 20 registrations at the same time a key for five makes exactly five accounts', async () => {
  const { id, macKey } = await server.eabKey({ maxUses: 5 })
  const replies = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const client = server.client()
      return client.newAccount({ externalAccountBinding: await client.externalAccountBinding(id, macKey) })
    }),
  )
  const made = replies.filter(({ status }) => status === 201)
  assert.equal(made.length, 5)
  assert.ok(replies.every(({ status }) => status === 201 || status === 403))
  assert.equal(new Set(made.map(({ headers }) => headers.location)).size, 5)
})
