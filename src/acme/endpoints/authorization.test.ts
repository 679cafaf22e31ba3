import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identifiers, idIn, openAcmeWorld } from '../../../test/support/acme-world.ts'
import { authorization } from './authorization.ts'
import { newAuthz } from './new-authz.ts'
import { newOrder } from './new-order.ts'
import { order } from './order.ts'

const GIVE_UP = { status: 'deactivated' }

test('CQ-O13 pending and valid authorizations are given up with 200 and the object, however often; open orders end', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  for (const isProved of [false, true]) {
    const placed = await world.call(newOrder, { by, payload: identifiers(isProved ? 'a.test' : 'b.test') })
    const id = idIn(placed.json.authorizations[0])
    if (isProved) await world.prove(by, id)
    for (let i = 0; i < 3; i++) {
      const reply = await world.call(authorization, { by, params: { id }, payload: { ...GIVE_UP, resource: 'authz' } })
      assert.equal(reply.status, 200)
      assert.equal(reply.json.status, 'deactivated')
      assert.ok(reply.json.challenges.length > 0)
    }
    const ended = await world.call(order, { by, params: { id: idIn(placed.location) } })
    assert.equal(ended.json.status, 'invalid')
    assert.doesNotMatch(JSON.stringify(ended.json), /deactivated/)
    assert.match(ended.json.error.detail, /given up/)
  }
  assert.equal(world.log.of('authorization.deactivated').length, 2)
})

test('CQ-O13 a proof that was given up is not reused', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const placed = await world.call(newOrder, { by, payload: identifiers('a.test') })
  const id = idIn(placed.json.authorizations[0])
  await world.prove(by, id)
  await world.call(authorization, { by, params: { id }, payload: GIVE_UP })
  assert.equal((await world.call(newOrder, { by, payload: identifiers('a.test') })).json.status, 'pending')
})

test('an authorization that ended already is shown as it is, and stays so', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const failed = idIn((await world.call(newOrder, { by, payload: identifiers('a.test') })).json.authorizations[0])
  await world.disprove(by, failed)
  const expired = idIn((await world.call(newOrder, { by, payload: identifiers('b.test') })).json.authorizations[0])
  await world.clock.advance(86_400_000)
  for (const [id, status] of [
    [failed, 'invalid'],
    [expired, 'expired'],
  ] as const) {
    assert.equal((await world.call(authorization, { by, params: { id }, payload: GIVE_UP })).json.status, status)
    assert.equal((await world.call(authorization, { by, params: { id } })).json.status, status)
  }
})

test('any other change is malformed and changes nothing', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const id = idIn((await world.call(newOrder, { by, payload: identifiers('a.test') })).json.authorizations[0])
  for (const payload of [
    {},
    { status: 'valid' },
    { status: 'revoked' },
    { status: null },
    { status: ['deactivated'] },
  ]) {
    assert.equal((await world.refused(authorization, { by, params: { id }, payload })).type, 'malformed')
  }
  assert.equal((await world.call(authorization, { by, params: { id } })).json.status, 'pending')
})

test('KF-B09 absent, foreign and ill-formed authorizations get the same 404, read or changed', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const [owner, stranger] = [await world.account(), await world.account()]
  const id = idIn((await world.call(newOrder, { by: owner, payload: identifiers('a.test') })).json.authorizations[0])
  const answers = []
  for (const asked of [id, 'azr_0000000000000000000000', 'ord_0000000000000000000000', '', `${id}/`]) {
    for (const payload of ['', GIVE_UP] as const) {
      const error = await world.refused(authorization, { by: stranger, params: { id: asked }, payload })
      answers.push(`${error.status} ${error.type} ${error.message}`)
    }
  }
  assert.equal(new Set(answers).size, 1)
  assert.match(answers[0] ?? '', /^404 /)
  assert.equal((await world.call(authorization, { by: owner, params: { id } })).json.status, 'pending')
})

test('a pending authorization asks nobody to come back before a challenge was answered', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const id = idIn((await world.call(newOrder, { by, payload: identifiers('a.test') })).json.authorizations[0])
  assert.equal((await world.call(authorization, { by, params: { id } })).retryAfterSeconds, undefined)
})

test('a name can be authorized before any order, and the order then starts ready', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const payload = { identifier: { type: 'dns', value: 'A.test' } }
  const reply = await world.call(newAuthz, { by, payload })
  assert.equal(reply.status, 201)
  assert.deepEqual(reply.json.identifier, { type: 'dns', value: 'a.test' })
  const id = idIn(reply.location)
  assert.deepEqual((await world.call(authorization, { by, params: { id } })).json, reply.json)
  await world.prove(by, id)
  const again = await world.call(newAuthz, { by, payload })
  assert.equal(again.status, 201)
  assert.equal(again.location, reply.location)
  assert.equal(again.json.status, 'valid')
  assert.equal((await world.call(newOrder, { by, payload: identifiers('a.test') })).json.status, 'ready')
})

test('a wildcard, a name that policy denies and a bad identifier cannot be pre-authorized', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const table = [
    [{ type: 'dns', value: '*.a.test' }, 'rejectedIdentifier', 403],
    [{ type: 'dns', value: 'x.denied.test' }, 'rejectedIdentifier', 403],
    [{ type: 'dns', value: '10.0.0.1' }, 'rejectedIdentifier', 403],
    [{ type: 'dns', value: 'a..test' }, 'malformed', 400],
    [{ type: 'tn', value: 'a@b.test' }, 'unsupportedIdentifier', 400],
    ['a.test', 'malformed', 400],
    [null, 'malformed', 400],
  ] as const
  for (const [identifier, type, status] of table) {
    const error = await world.refused(newAuthz, { by, payload: { identifier } })
    assert.deepEqual([error.type, error.status], [type, status], JSON.stringify(identifier))
  }
  assert.equal((await world.refused(newAuthz, { by, payload: '' })).type, 'malformed')
})
