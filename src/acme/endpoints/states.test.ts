import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { AcmeWorld, TestAccount } from '../../../test/support/acme-world.ts'
import { identifiers, idIn, openAcmeWorld } from '../../../test/support/acme-world.ts'
import { AcmeError } from '../problem.ts'
import { authorization } from './authorization.ts'
import { challenge } from './challenge.ts'
import { finalize } from './finalize.ts'
import { newAuthz } from './new-authz.ts'
import { newOrder } from './new-order.ts'
import { order } from './order.ts'

type Bring = (world: AcmeWorld, by: TestAccount, ids: { authorization: string; challenge: string }) => Promise<unknown>

/** How an authorization comes into each state. */
const BRING: Record<string, Bring> = {
  pending: async () => undefined,
  processing: (world, by, ids) => world.call(challenge, { by, params: { id: ids.challenge }, payload: {} }),
  valid: (world, by, ids) => world.prove(by, ids.authorization),
  invalid: (world, by, ids) => world.disprove(by, ids.authorization),
  deactivated: (world, by, ids) =>
    world.call(authorization, { by, params: { id: ids.authorization }, payload: { status: 'deactivated' } }),
  expired: (world) => world.clock.advance(86_400_000),
  revoked: async (world, by, ids) => {
    await world.prove(by, ids.authorization)
    const database = new DatabaseSync(world.path)
    database
      .prepare('UPDATE authorizations SET revoked_at = ? WHERE id = ?')
      .run(world.clock.now().getTime(), ids.authorization)
    database.close()
  },
}

/** What each operation answers in each state: the status shown, or the problem type. */
const EXPECTED: Record<string, Record<keyof typeof BRING, string>> = {
  'read order': {
    pending: 'pending',
    processing: 'pending',
    valid: 'ready',
    invalid: 'invalid',
    deactivated: 'invalid',
    expired: 'invalid',
    revoked: 'invalid',
  },
  'read authorization': {
    pending: 'pending',
    processing: 'pending',
    valid: 'valid',
    invalid: 'invalid',
    deactivated: 'deactivated',
    expired: 'expired',
    revoked: 'revoked',
  },
  'read challenge': {
    pending: 'pending',
    processing: 'processing',
    valid: 'valid',
    invalid: 'invalid',
    deactivated: 'pending',
    expired: 'pending',
    revoked: 'valid',
  },
  respond: {
    pending: 'processing',
    processing: 'processing',
    valid: 'valid',
    invalid: 'malformed',
    deactivated: 'malformed',
    expired: 'malformed',
    revoked: 'malformed',
  },
  finalize: {
    pending: 'orderNotReady',
    processing: 'orderNotReady',
    valid: 'valid',
    invalid: 'orderNotReady',
    deactivated: 'orderNotReady',
    expired: 'orderNotReady',
    revoked: 'orderNotReady',
  },
  'order again': {
    pending: 'pending',
    processing: 'pending',
    valid: 'ready',
    invalid: 'pending',
    deactivated: 'pending',
    expired: 'pending',
    revoked: 'pending',
  },
  'authorize again': {
    pending: 'pending',
    processing: 'pending',
    valid: 'valid',
    invalid: 'pending',
    deactivated: 'pending',
    expired: 'pending',
    revoked: 'pending',
  },
  deactivate: {
    pending: 'deactivated',
    processing: 'deactivated',
    valid: 'deactivated',
    invalid: 'invalid',
    deactivated: 'deactivated',
    expired: 'expired',
    revoked: 'revoked',
  },
}

for (const [operation, byState] of Object.entries(EXPECTED)) {
  test(`KF-E05 ${operation}: the expected answer in every state of the authorization`, async (t) => {
    const world = await openAcmeWorld()
    t.after(world.cleanup)
    const seen: Record<string, string> = {}
    for (const state of Object.keys(byState)) {
      const by = await world.account()
      const name = identifiers(`${state}.test`)
      const placed = await world.call(newOrder, { by, payload: name })
      const ids = { order: idIn(placed.location), authorization: idIn(placed.json.authorizations[0]), challenge: '' }
      const shown = await world.call(authorization, { by, params: { id: ids.authorization } })
      ids.challenge = idIn(shown.json.challenges[0].url)
      await BRING[state]?.(world, by, ids)
      const operations: Record<string, () => Promise<{ json: { status: string } }>> = {
        'read order': () => world.call(order, { by, params: { id: ids.order } }),
        'read authorization': () => world.call(authorization, { by, params: { id: ids.authorization } }),
        'read challenge': () => world.call(challenge, { by, params: { id: ids.challenge } }),
        respond: () => world.call(challenge, { by, params: { id: ids.challenge }, payload: {} }),
        finalize: () =>
          world.call(finalize, { by, params: { id: ids.order }, payload: { csr: world.csr([`${state}.test`]).csr } }),
        'order again': () => world.call(newOrder, { by, payload: name }),
        'authorize again': () => world.call(newAuthz, { by, payload: { identifier: name.identifiers[0] as never } }),
        deactivate: () =>
          world.call(authorization, { by, params: { id: ids.authorization }, payload: { status: 'deactivated' } }),
      }
      try {
        seen[state] = (await operations[operation]?.())?.json.status ?? 'nothing'
      } catch (error) {
        if (!(error instanceof AcmeError)) throw error
        seen[state] = error.type
      }
    }
    assert.deepEqual(seen, byState)
  })
}

for (const [name, endpoint] of Object.entries({ newOrder, newAuthz })) {
  test(`KF-B24 ${name}: an account that ends between authentication and commit gets 401, and nothing is stored`, async (t) => {
    const world = await openAcmeWorld()
    t.after(() => world.cleanup())
    // Read when the request was authenticated; what happens to it after that is not seen in it.
    const by = await world.account()
    await world.store.accounts.deactivate('default', by.record.id, {
      now: world.clock.now(),
      error: { type: 'unauthorized', status: 403, detail: 'ended' },
      audit: { at: world.clock.now(), event: 'account.deactivated', data: {} },
    })
    const { orders, authorizations } = await world.store.retention.counts()
    const payload =
      endpoint === newOrder ? identifiers('late.test') : { identifier: { type: 'dns', value: 'late.test' } }
    await assert.rejects(world.call(endpoint, { by, payload }), (error) => {
      assert.ok(error instanceof AcmeError)
      assert.deepEqual([error.type, error.status], ['unauthorized', 401])
      return true
    })
    const after = await world.store.retention.counts()
    assert.deepEqual([after['orders'], after['authorizations']], [orders, authorizations])
  })
}
