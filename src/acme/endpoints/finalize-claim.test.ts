import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { openFor, readStatus, readyOrder, until } from '../../../test/support/acme-orders.ts'
import type { AcmeWorld, TestAccount } from '../../../test/support/acme-world.ts'
import { buildTestCsr } from '../../../test/support/test-csr.ts'
import { generateTestKey } from '../../../test/support/test-keys.ts'
import type { EnrollmentRequest, EnrollmentResult } from '../../enrollment/enrollment.ts'
import type { OrderId } from '../../lib/ids.ts'
import { finalize } from './finalize.ts'
import { order } from './order.ts'

/** Sends finalize and waits until the signing key, which does not answer, has been asked; `answer` is still to come. */
async function finalizeWithKeyAway(
  t: TestContext,
  world: AcmeWorld,
  { by, params, csr }: { by: TestAccount; params: { id: string }; csr: string },
) {
  world.signingKey.close()
  t.after(() => world.signingKey.open())
  const answer = world.call(finalize, { by, params, payload: { csr } })
  await until(() => world.signingKey.waiting > 0)
  return { answer }
}

test('CQ-F01 CQ-F09 a slow signer is answered with processing in time, never ready again, and the work goes on', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params, location } = await readyOrder(world, by)
  const { csr } = world.csr(['a.test'])
  const { answer } = await finalizeWithKeyAway(t, world, { by, params, csr: csr })
  const before = world.clock.monotonicMs()
  await world.clock.advance(2_500)
  const reply = await answer
  assert.ok(world.clock.monotonicMs() - before <= 3_000)
  assert.equal(reply.json.status, 'processing')
  assert.equal(reply.location, location)
  assert.equal(reply.retryAfterSeconds, 3)
  const polled = await world.call(order, { by, params })
  assert.equal(polled.json.status, 'processing')
  assert.equal(polled.retryAfterSeconds, 3)
  const repeated = await world.call(finalize, { by, params, payload: { csr } })
  assert.equal(repeated.json.status, 'processing')
  const other = await world.refused(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })
  assert.deepEqual([other.type, other.status], ['orderNotReady', 403])
  world.signingKey.open()
  await until(() => world.log.of('order.enrolled-late').length > 0)
  assert.equal(await readStatus(world, by, params), 'valid')
  assert.equal(world.signingKey.uses, 1)
})

test('KF-F14 work that fails after the answer is logged and rejects nothing', async (t) => {
  const world = await openFor(t, {
    services: ({ enrollment }) => ({
      enrollment: {
        ...enrollment,
        enroll: async (request) => {
          await enrollment.enroll(request)
          throw new Error('lost on the way back')
        },
      },
    }),
  })
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const { answer } = await finalizeWithKeyAway(t, world, { by, params, csr: world.csr(['a.test']).csr })
  await world.clock.advance(2_500)
  assert.equal((await answer).json.status, 'processing')
  world.signingKey.open()
  await until(() => world.log.of('order.enrolled-late').length > 0)
  assert.equal(world.log.of('order.enrolled-late')[0]?.['outcome'], 'error')
  assert.equal(await readStatus(world, by, params), 'valid')
})

test('KF-F14 when the order cannot be read meanwhile, the work still ends without an unhandled rejection', async (t) => {
  let fail: (error: Error) => void = () => undefined
  const world = await openFor(t, {
    services: ({ store }) => ({
      enrollment: {
        resume: async () => 0,
        pressure: () => 0,
        enroll: () =>
          new Promise((_, reject) => {
            fail = reject
          }),
      },
      store: { ...store, orders: { ...store.orders, get: () => Promise.reject(new Error('the disk is gone')) } },
    }),
  })
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const answer = world.call(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })
  const isRefused = assert.rejects(answer, /the disk is gone/)
  await until(() => world.clock.sleeping > 0)
  await world.clock.advance(2_500)
  await isRefused
  const unhandled: unknown[] = []
  const note = (reason: unknown) => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  fail(new Error('and so is the signer'))
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', note)
  assert.deepEqual(unhandled, [])
})

test('CQ-F09 a claim that is not made in time is not called processing; the client is told to come back', async (t) => {
  const world = await openFor(t, {
    services: ({ enrollment }) => ({ enrollment: { ...enrollment, enroll: () => new Promise(() => undefined) } }),
  })
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const answer = world.refused(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })
  for (let i = 0; i < 8; i++) {
    await until(() => world.clock.sleeping > 0)
    await world.clock.advance(2_500)
  }
  const error = await answer
  assert.deepEqual([error.type, error.status], ['serverInternal', 503])
  assert.equal(await readStatus(world, by, params), 'ready')
})

test('CQ-F02 KF-E04 50 finalizes at once with one CSR are 50 answers with one certificate', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params, location } = await readyOrder(world, by)
  const { csr } = world.csr(['a.test'])
  const replies = await Promise.all(
    Array.from({ length: 50 }, () => world.call(finalize, { by, params, payload: { csr } })),
  )
  assert.deepEqual(new Set(replies.map((reply) => `${reply.status} ${reply.location}`)), new Set([`200 ${location}`]))
  for (const { json } of replies) assert.ok(['processing', 'valid'].includes(json.status))
  assert.equal(world.signingKey.uses, 1)
  assert.equal((await world.store.retention.counts())['certificates'], 1)
  const after = await world.call(finalize, { by, params, payload: { csr } })
  assert.equal(after.json.status, 'valid')
})

test('CQ-F02 KF-E04 of many finalizes with different CSRs one is taken and the others are orderNotReady', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, async () => {
      try {
        return (await world.call(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })).json.status
      } catch (error) {
        return (error as { type?: string }).type
      }
    }),
  )
  assert.deepEqual(outcomes.sort(), [...new Array<string>(9).fill('orderNotReady'), 'valid'])
})

test('CQ-F02 after success the same CSR is 200 with the order, padded too; another is 403', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const key = generateTestKey('ES256')
  const der = buildTestCsr(['a.test'], key)
  const first = await world.call(finalize, { by, params, payload: { csr: der.toString('base64url') } })
  const padded = der.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
  for (const csr of [der.toString('base64url'), padded]) {
    const again = await world.call(finalize, { by, params, payload: { csr } })
    assert.deepEqual([again.status, again.json], [200, first.json])
  }
  const error = await world.refused(finalize, { by, params, payload: { csr: world.csr(['a.test'], { key }).csr } })
  assert.deepEqual([error.type, error.status], ['orderNotReady', 403])
})

test('KF-B24 an account that ends between ready and finalize gets no certificate', async (t) => {
  let end: () => Promise<unknown> = async () => undefined
  const world = await openFor(t, {
    services: ({ enrollment }) => ({
      enrollment: {
        ...enrollment,
        enroll: async (request) => {
          await end()
          return enrollment.enroll(request)
        },
      },
    }),
  })
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const now = world.clock.now()
  const error = { type: 'unauthorized', detail: 'The account was closed', status: 403 }
  end = () =>
    world.store.accounts.deactivate('default', by.record.id, {
      now,
      error,
      audit: { at: now, event: 'test', data: {} },
    })
  const refusal = await world.refused(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })
  assert.equal(refusal.type, 'orderNotReady')
  assert.equal(await readStatus(world, by, params), 'invalid')
  assert.equal(world.signingKey.uses, 0)
})

test('what enrollment says is told in ACME words', async (t) => {
  let result: EnrollmentResult = { outcome: 'not-ready' }
  const asked: EnrollmentRequest[] = []
  const world = await openFor(t, {
    services: ({ enrollment }) => ({
      enrollment: {
        ...enrollment,
        enroll: async (request) => {
          asked.push(request)
          return result
        },
      },
    }),
  })
  const by = await world.account()
  const { params } = await readyOrder(world, by, ['b.test', '*.a.test'])
  const { csr, key } = world.csr(['*.a.test', 'b.test'])
  const refusal = async (next: EnrollmentResult) => {
    result = next
    return world.refused(finalize, { by, params, payload: { csr } })
  }
  const deny = (code: 'name-denied' | 'key' | 'unavailable', name?: string): EnrollmentResult => ({
    outcome: 'refused',
    decision: {
      outcome: 'deny',
      reasons: [{ rule: 'r1', code, detail: `no ${code}`, ...(name && { name: { type: 'dns', value: name } }) }],
    },
  })
  const denied = await refusal(deny('name-denied', 'b.test'))
  assert.deepEqual(
    [denied.type, denied.status, denied.options.subproblems?.[0]?.identifier?.value],
    ['rejectedIdentifier', 403, 'b.test'],
  )
  assert.match(denied.message, /r1.*\(reference req_/)
  assert.equal((await refusal(deny('key'))).type, 'badCSR')
  assert.equal((await refusal(deny('unavailable'))).status, 503)
  assert.equal(
    (await refusal({ outcome: 'refused', decision: { outcome: 'allow', reasons: [] } })).type,
    'unauthorized',
  )
  assert.equal((await refusal({ outcome: 'unacceptable', about: 'key', detail: 'x' })).type, 'badCSR')
  assert.equal((await refusal({ outcome: 'unacceptable', about: 'names', detail: 'x' })).type, 'badCSR')
  assert.equal((await refusal({ outcome: 'unacceptable', about: 'validity', detail: 'x' })).type, 'malformed')
  assert.equal((await refusal({ outcome: 'not-ready' })).type, 'orderNotReady')
  const [request] = asked
  assert.deepEqual(request?.identifiers, [
    { type: 'dns', value: 'b.test' },
    { type: 'dns', value: '*.a.test' },
  ])
  assert.deepEqual(request?.requester, { kind: 'account', directory: 'default', accountId: by.record.id })
  assert.ok(request?.publicKey.der.equals(key.spkiDer))
  const csrSha256 = createHash('sha256').update(Buffer.from(csr, 'base64url')).digest('hex')
  assert.deepEqual(request?.order, { id: params.id, directory: 'default', accountId: by.record.id, csrSha256 })
})

test('an order that fails for good after the claim is answered with 200, invalid, and its error', async (t) => {
  const world = await openFor(t, {
    services: ({ store, clock }) => ({
      enrollment: {
        resume: async () => 0,
        pressure: () => 0,
        enroll: async ({ order: claimed }) => {
          const error = { type: 'serverInternal', detail: 'The certificate could not be signed', status: 500 }
          const now = clock.now()
          if (claimed) await store.orders.fail(claimed.id, { now, error, audit: { at: now, event: 'test', data: {} } })
          return { outcome: 'failed' }
        },
      },
    }),
  })
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const reply = await world.call(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })
  assert.equal(reply.status, 200)
  assert.equal(reply.json.status, 'invalid')
  assert.match(reply.json.error.detail, /could not be signed/)
})

test('an order that failed while its certificate was signed is answered as it stands', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by)
  const { answer } = await finalizeWithKeyAway(t, world, { by, params, csr: world.csr(['a.test']).csr })
  const now = world.clock.now()
  const error = { type: 'serverInternal', detail: 'Ended by the operator', status: 500 }
  await world.store.orders.fail(params.id as OrderId, { now, error, audit: { at: now, event: 'test', data: {} } })
  world.signingKey.open()
  const { json } = await answer
  assert.deepEqual([json.status, json.certificate, json.error.detail], ['invalid', undefined, 'Ended by the operator'])
})

test('what finalize answers with is the order as it is read afterwards', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const { params } = await readyOrder(world, by, ['a.test', '*.b.test'])
  const reply = await world.call(finalize, { by, params, payload: { csr: world.csr(['a.test', '*.b.test']).csr } })
  assert.equal(reply.json.status, 'valid')
  assert.deepEqual(reply.json, (await world.call(order, { by, params })).json)
})

test('CQ-O12 two orders that share one proof are finalized with different keys', async (t) => {
  const world = await openFor(t)
  const by = await world.account()
  const one = await readyOrder(world, by)
  const two = await readyOrder(world, by)
  const urls = []
  for (const { params } of [one, two]) {
    urls.push(
      (await world.call(finalize, { by, params, payload: { csr: world.csr(['a.test']).csr } })).json.certificate,
    )
  }
  assert.notEqual(urls[0], urls[1])
})
