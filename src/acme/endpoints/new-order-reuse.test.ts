import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identifiers, idIn, openAcmeWorld } from '../../../test/support/acme-world.ts'
import { PROFILE } from '../../../test/support/order-facts.ts'
import { authorization } from './authorization.ts'
import { newOrder } from './new-order.ts'
import { order } from './order.ts'

/** The authorizations of an order as its client would read them. */
async function authorizationsOf(
  world: Awaited<ReturnType<typeof openAcmeWorld>>,
  by: Parameters<typeof world.prove>[0],
  urls: string[],
) {
  return Promise.all(urls.map(async (url) => (await world.call(authorization, { by, params: { id: idIn(url) } })).json))
}

test('CQ-O11 a second order of proved names starts ready, with the challenge that won', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const first = await world.call(newOrder, { by, payload: identifiers('a.test') })
  await world.prove(by, idIn(first.json.authorizations[0]), 'dns-01')
  const second = await world.call(newOrder, { by, payload: identifiers('a.test') })
  assert.notEqual(second.location, first.location)
  assert.equal(second.json.status, 'ready')
  assert.ok(second.json.finalize)
  assert.deepEqual(second.json.authorizations, first.json.authorizations)
  const [shown] = await authorizationsOf(world, by, second.json.authorizations)
  assert.deepEqual(
    shown.challenges.map(({ type, status }: { type: string; status: string }) => `${type} ${status}`),
    ['dns-01 valid'],
  )
})

test('KF-A06 the proof of a name is not reused for its wildcard, nor the reverse, nor for names below', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const plain = await world.call(newOrder, { by, payload: identifiers('a.test') })
  await world.prove(by, idIn(plain.json.authorizations[0]))
  const wildcard = await world.call(newOrder, { by, payload: identifiers('*.a.test') })
  assert.equal(wildcard.json.status, 'pending')
  assert.notDeepEqual(wildcard.json.authorizations, plain.json.authorizations)
  const [shown] = await authorizationsOf(world, by, wildcard.json.authorizations)
  assert.deepEqual(
    shown.challenges.map(({ type }: { type: string }) => type),
    ['dns-01'],
  )
  await world.prove(by, idIn(wildcard.json.authorizations[0]), 'dns-01')
  for (const name of ['x.a.test', '*.x.a.test']) {
    assert.equal((await world.call(newOrder, { by, payload: identifiers(name) })).json.status, 'pending', name)
  }
})

test('KF-A19 control of a name gives neither its parent nor its children', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const { json } = await world.call(newOrder, { by, payload: identifiers('a.b.test') })
  await world.prove(by, idIn(json.authorizations[0]))
  for (const name of ['b.test', 'x.a.b.test', 'c.b.test']) {
    assert.equal((await world.call(newOrder, { by, payload: identifiers(name) })).json.status, 'pending', name)
  }
  assert.equal((await world.call(newOrder, { by, payload: identifiers('a.b.test') })).json.status, 'ready')
})

test('KF-A07 a proof under one profile is not reused under another', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const { json } = await world.call(newOrder, { by, payload: identifiers('a.test') })
  await world.prove(by, idIn(json.authorizations[0]))
  const policy = { decide: async () => ({ outcome: 'allow', reasons: [] }) as const }
  const directory = { ...world.directory, policy, profile: { ...PROFILE, name: 'short' } }
  const other = await world.call(newOrder, { by, payload: identifiers('a.test'), directory })
  assert.equal(other.json.status, 'pending')
})

test('KF-B09 the proof of one account is nothing to another', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const [one, two] = [await world.account(), await world.account()]
  const { json } = await world.call(newOrder, { by: one, payload: identifiers('a.test') })
  await world.prove(one, idIn(json.authorizations[0]))
  assert.equal((await world.call(newOrder, { by: two, payload: identifiers('a.test') })).json.status, 'pending')
})

test('KF-A06 a proof by a method that the directory no longer takes is not reused', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const { json } = await world.call(newOrder, { by, payload: identifiers('a.test') })
  await world.prove(by, idIn(json.authorizations[0]), 'http-01')
  const directory = { ...world.directory, config: { ...world.directory.config, challenges: ['dns-01' as const] } }
  const stricter = await world.call(newOrder, { by, payload: identifiers('a.test'), directory })
  assert.equal(stricter.json.status, 'pending')
})

test('CQ-O12 an untried pending authorization is shared for some minutes, so that one answer proves both orders', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const one = await world.call(newOrder, { by, payload: identifiers('a.test') })
  const two = await world.call(newOrder, { by, payload: identifiers('a.test') })
  assert.notEqual(two.location, one.location)
  assert.deepEqual(two.json.authorizations, one.json.authorizations)
  await world.prove(by, idIn(one.json.authorizations[0]))
  for (const { location } of [one, two]) {
    assert.equal((await world.call(order, { by, params: { id: idIn(location) } })).json.status, 'ready')
  }
})

test('CQ-O12 neither an old pending authorization nor a failed one is shared', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const one = await world.call(newOrder, { by, payload: identifiers('a.test') })
  await world.clock.advance(301_000)
  const two = await world.call(newOrder, { by, payload: identifiers('a.test') })
  assert.notDeepEqual(two.json.authorizations, one.json.authorizations)
  await world.disprove(by, idIn(two.json.authorizations[0]))
  const three = await world.call(newOrder, { by, payload: identifiers('a.test') })
  assert.notDeepEqual(three.json.authorizations, two.json.authorizations)
  assert.equal(three.json.status, 'pending')
})

test('a proof near its end is made anew; the order never outlives its authorizations', async (t) => {
  const world = await openAcmeWorld({ settings: { validAuthorizationLifetimeSeconds: 7200 } })
  t.after(world.cleanup)
  const by = await world.account()
  const first = await world.call(newOrder, { by, payload: identifiers('a.test') })
  assert.equal(first.json.expires, '2026-03-02T12:00:00Z')
  await world.prove(by, idIn(first.json.authorizations[0]))
  await world.clock.advance(3_600_000)
  const reused = await world.call(newOrder, { by, payload: identifiers('a.test') })
  assert.equal(reused.json.status, 'ready')
  assert.equal(reused.json.expires, '2026-03-01T14:00:00Z')
  await world.clock.advance(2_800_000)
  const anew = await world.call(newOrder, { by, payload: identifiers('a.test') })
  assert.equal(anew.json.status, 'pending')
})

test('an authorization that is given up between plan and commit is planned again', async (t) => {
  let raced = 0
  const world = await openAcmeWorld({
    services: ({ store, clock }) => ({
      store: {
        ...store,
        orders: {
          ...store.orders,
          create: async (record, links) => {
            const [id] = links.authorizationIds
            if (raced++ === 0 && id !== undefined && links.newAuthorizations.length === 0) {
              const error = { type: 'unauthorized', detail: 'x', status: 403 }
              const audit = { at: clock.now(), event: 'test', data: {} }
              await store.authorizations.deactivate('default', record.accountId, id, { now: clock.now(), error, audit })
            }
            return store.orders.create(record, links)
          },
        },
      },
    }),
  })
  t.after(world.cleanup)
  const by = await world.account()
  raced = 1
  const first = await world.call(newOrder, { by, payload: identifiers('a.test') })
  raced = 0
  const second = await world.call(newOrder, { by, payload: identifiers('a.test') })
  assert.equal(raced, 2)
  assert.equal(second.json.status, 'pending')
  assert.notDeepEqual(second.json.authorizations, first.json.authorizations)
})

test('an order that is stale again and again ends in 503, not in a loop', async (t) => {
  const world = await openAcmeWorld({
    services: ({ store }) => ({
      store: { ...store, orders: { ...store.orders, create: async () => 'stale' as const } },
    }),
  })
  t.after(world.cleanup)
  const error = await world.refused(newOrder, { by: await world.account(), payload: identifiers('a.test') })
  assert.equal(error.status, 503)
  assert.equal(error.options.retryAfterSeconds, 1)
})
