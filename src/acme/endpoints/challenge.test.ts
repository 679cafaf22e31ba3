import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AcmeWorld, TestAccount } from '../../../test/support/acme-world.ts'
import { identifiers, idIn, openAcmeWorld } from '../../../test/support/acme-world.ts'
import { PROBLEM } from '../../../test/support/order-facts.ts'
import type { ChallengeId } from '../../lib/ids.ts'
import { authorization } from './authorization.ts'
import { challenge } from './challenge.ts'
import { newOrder } from './new-order.ts'
import { order } from './order.ts'

const OK_RESPONSES = [
  {},
  { keyAuthorization: 'x.y', type: 'http-01', resource: 'challenge' },
  { __proto__x: [], url: null },
]

async function placed(world: AcmeWorld, by: TestAccount, name = 'a.test') {
  const { json, location } = await world.call(newOrder, { by, payload: identifiers(name) })
  const authorizationId = idIn(json.authorizations[0])
  const shown = await world.call(authorization, { by, params: { id: authorizationId } })
  const http01 = shown.json.challenges.find(({ type }: { type: string }) => type === 'http-01')
  return { orderId: idIn(location), authorizationId, token: http01.token as string, params: { id: idIn(http01.url) } }
}

/** What the endpoint's `validated` answer must always have. */
function checkShape(
  reply: { links?: readonly unknown[]; json: Record<string, unknown> },
  of: { authorizationId: string; params: { id: string } },
) {
  assert.deepEqual(reply.links, [{ url: `https://ca.test/acme/default/authz/${of.authorizationId}`, rel: 'up' }])
  assert.equal(reply.json['url'], `https://ca.test/acme/default/challenge/${of.params.id}`)
}

test('CQ-V04 an empty payload reads and starts nothing', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const of = await placed(world, by)
  const reply = await world.call(challenge, { by, params: of.params, payload: '' })
  assert.equal(reply.status, 200)
  assert.equal(reply.json.status, 'pending')
  assert.equal(reply.retryAfterSeconds, undefined)
  checkShape(reply, of)
  assert.deepEqual(world.ran, [])
  assert.equal(await world.store.validationJobs.count(), 0)
})

test('CQ-V01 CQ-J06 any JSON object starts the proof, as a durable job that is leased to us', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  for (const [index, payload] of OK_RESPONSES.entries()) {
    const by = await world.account()
    const of = await placed(world, by)
    const reply = await world.call(challenge, { by, params: of.params, payload })
    assert.equal(reply.status, 200)
    assert.equal(reply.json.status, 'processing')
    assert.equal(reply.retryAfterSeconds, 1)
    checkShape(reply, of)
    const job = world.ran[index]
    assert.equal(job?.challenge.id, of.params.id)
    assert.equal(job?.challenge.keyAuthorization, `${of.token}.${by.key.thumbprint}`)
  }
  assert.equal(await world.store.validationJobs.count(), OK_RESPONSES.length)
  const { owner, leaseSeconds } = world.services.validation
  const now = world.clock.now()
  assert.deepEqual(await world.store.validationJobs.lease({ now, owner, leaseUntil: now, limit: 9 }), [])
  const later = new Date(now.getTime() + leaseSeconds * 1000)
  assert.equal(
    (await world.store.validationJobs.lease({ now: later, owner: 'other', leaseUntil: later, limit: 9 })).length,
    3,
  )
})

test('KF-A22 the key authorization is that of the account key when the response came', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const of = await placed(world, by)
  await world.call(challenge, { by, params: of.params, payload: {} })
  const rolled = { ...by, record: { ...by.record, thumbprint: 'another' } }
  await world.call(challenge, { by: rolled, params: of.params, payload: {} })
  const found = await world.store.authorizations.findChallenge('default', by.record.id, of.params.id as ChallengeId)
  assert.equal(found?.challenge.keyAuthorization, `${of.token}.${by.key.thumbprint}`)
})

test('CQ-V05 a repeat while processing is 200, hastens the attempt and begins no second one', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const of = await placed(world, by)
  await world.call(challenge, { by, params: of.params, payload: {} })
  const again = await world.call(challenge, { by, params: of.params, payload: {} })
  assert.equal(again.status, 200)
  assert.equal(again.json.status, 'processing')
  checkShape(again, of)
  assert.equal(world.ran.length, 1)
  assert.deepEqual(world.hastened, [of.params.id])
})

test('CQ-V05 KF-A21 20 responses at once begin one attempt, and all are answered 200', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const of = await placed(world, by)
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => world.call(challenge, { by, params: of.params, payload: {} })),
  )
  assert.deepEqual(new Set(replies.map(({ status, json }) => `${status} ${json.status}`)), new Set(['200 processing']))
  assert.equal(world.ran.length, 1)
  assert.equal(await world.store.validationJobs.count(), 1)
})

test('CQ-V05 after success a response reads; another challenge of the same authorization starts nothing either', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const of = await placed(world, by)
  const before = await world.call(authorization, { by, params: { id: of.authorizationId } })
  const dns01 = idIn(before.json.challenges.find(({ type }: { type: string }) => type === 'dns-01').url)
  await world.prove(by, of.authorizationId)
  const reply = await world.call(challenge, { by, params: of.params, payload: {} })
  assert.equal(reply.status, 200)
  assert.equal(reply.json.status, 'valid')
  assert.match(reply.json.validated, /Z$/)
  assert.equal(reply.retryAfterSeconds, undefined)
  assert.equal((await world.call(challenge, { by, params: { id: dns01 }, payload: {} })).json.status, 'pending')
  assert.deepEqual(world.ran, [])
})

test('an ended authorization takes no response, and its challenge can still be read', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const cases = {
    invalid: async (id: string) => world.disprove(by, id),
    deactivated: async (id: string) =>
      void (await world.call(authorization, { by, params: { id }, payload: { status: 'deactivated' } })),
    expired: async () => world.clock.advance(86_400_000),
  }
  for (const [status, end] of Object.entries(cases)) {
    const of = await placed(world, by, `${status}.test`)
    await end(of.authorizationId)
    const error = await world.refused(challenge, { by, params: of.params, payload: {} })
    assert.equal(error.type, 'malformed')
    assert.match(error.message, new RegExp(status))
    assert.equal((await world.call(challenge, { by, params: of.params })).status, 200)
  }
  assert.deepEqual(world.ran, [])
})

test('CQ-V06 after failure challenge, authorization and order are invalid in one reading, the challenge with its error', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const of = await placed(world, by)
  await world.call(challenge, { by, params: of.params, payload: {} })
  await world.store.validationJobs.retry(of.params.id as ChallengeId, {
    owner: 'test',
    runAt: world.clock.now(),
    error: PROBLEM,
  })
  const between = await world.call(challenge, { by, params: of.params })
  assert.equal(between.json.status, 'processing')
  assert.equal('error' in between.json, false)
  await world.disprove(by, of.authorizationId)
  const ended = await world.call(challenge, { by, params: of.params })
  assert.equal(ended.json.status, 'invalid')
  assert.deepEqual(Object.keys(ended.json.error), ['type', 'detail', 'status'])
  assert.equal((await world.call(authorization, { by, params: { id: of.authorizationId } })).json.status, 'invalid')
  const failed = await world.call(order, { by, params: { id: of.orderId } })
  assert.equal(failed.json.status, 'invalid')
  assert.equal(failed.json.error.detail, PROBLEM.detail)
})

test('CQ-V03 challenge, authorization and order can be polled at any time', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const of = await placed(world, by)
  const read = async () =>
    Promise.all([
      world.call(challenge, { by, params: of.params }),
      world.call(authorization, { by, params: { id: of.authorizationId } }),
      world.call(order, { by, params: { id: of.orderId } }),
    ])
  const statuses = async () => (await read()).map(({ json }) => json.status).join(' ')
  assert.equal(await statuses(), 'pending pending pending')
  await world.call(challenge, { by, params: of.params, payload: {} })
  assert.equal(await statuses(), 'processing pending pending')
  assert.equal((await read())[1].retryAfterSeconds, 1)
  await world.prove(by, of.authorizationId)
  assert.equal(await statuses(), 'valid valid ready')
})

test('a challenge whose type the directory took away since is refused', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const of = await placed(world, by)
  const directory = { ...world.directory, config: { ...world.directory.config, challenges: ['dns-01' as const] } }
  assert.equal((await world.refused(challenge, { by, params: of.params, payload: {}, directory })).type, 'malformed')
  assert.deepEqual(world.ran, [])
})

test('KF-B09 absent, foreign and ill-formed challenges get the same 404', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const [owner, stranger] = [await world.account(), await world.account()]
  const of = await placed(world, owner)
  const answers = []
  for (const id of [of.params.id, 'chl_0000000000000000000000', of.authorizationId, '', '../x', 'x'.repeat(10_000)]) {
    for (const payload of ['', {}] as const) {
      const error = await world.refused(challenge, { by: stranger, params: { id }, payload })
      answers.push(`${error.status} ${error.type} ${error.message}`)
    }
  }
  assert.equal(new Set(answers).size, 1)
  assert.match(answers[0] ?? '', /^404 malformed /)
  assert.deepEqual(world.ran, [])
})

test('the log tells which challenge was answered, and never the key authorization', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const of = await placed(world, by)
  await world.call(challenge, { by, params: of.params, payload: {} })
  const [line] = world.log.of('challenge.responded')
  assert.equal(line?.challengeId, of.params.id)
  assert.equal(line?.authorizationId, of.authorizationId)
  assert.equal(JSON.stringify(world.log.lines).includes(of.token), false)
})
