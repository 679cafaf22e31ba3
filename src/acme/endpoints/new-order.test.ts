import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { identifiers, idIn, openAcmeWorld } from '../../../test/support/acme-world.ts'
import { at } from '../../../test/support/order-facts.ts'
import type { RequestId } from '../../lib/ids.ts'
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

test('CQ-O01 CQ-O03 a new order is 201 with Location and reads back the same', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const placed = await world.call(newOrder, { by, payload: identifiers('www.corp.test') })
  assert.equal(placed.status, 201)
  assert.equal(placed.location, `https://ca.test/acme/default/order/${idIn(placed.location)}`)
  assert.equal(placed.json.status, 'pending')
  const read = await world.call(order, { by, params: { id: idIn(placed.location) } })
  assert.equal(read.status, 200)
  assert.equal(read.location, placed.location)
  assert.deepEqual(read.json, placed.json)
  assert.equal(world.metrics.counts.get('chancery_orders_total created'), 1)
})

test('CQ-O05 CQ-O06 authorizations stand at the place of their identifiers, wildcards with base name, flag and dns-01 alone', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const names = ['b.test', '*.a.test', 'a.test', '10.0.0.1', '*.b.test']
  const { json } = await world.call(newOrder, { by, payload: identifiers(...names) })
  assert.deepEqual(
    json.identifiers.map(({ value }: { value: string }) => value),
    names,
  )
  const shown = await authorizationsOf(world, by, json.authorizations)
  assert.deepEqual(
    shown.map(({ identifier, wildcard, challenges }) => [
      `${identifier.type}:${identifier.value}`,
      wildcard,
      challenges.map(({ type }: { type: string }) => type),
    ]),
    [
      ['dns:b.test', undefined, ['http-01', 'dns-01', 'tls-alpn-01']],
      ['dns:a.test', true, ['dns-01']],
      ['dns:a.test', undefined, ['http-01', 'dns-01', 'tls-alpn-01']],
      ['ip:10.0.0.1', undefined, ['http-01', 'tls-alpn-01']],
      ['dns:b.test', true, ['dns-01']],
    ],
  )
})

test('every challenge has a token of its own, of 256 bits in base64url', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const { json } = await world.call(newOrder, { by, payload: identifiers('a.test', 'b.test') })
  const shown = await authorizationsOf(world, by, json.authorizations)
  const tokens: string[] = shown.flatMap(({ challenges }) => challenges.map(({ token }: { token: string }) => token))
  assert.equal(new Set(tokens).size, 6)
  for (const token of tokens) assert.match(token, /^[A-Za-z0-9_-]{43}$/)
})

test('CQ-O08 CQ-O07 upper case and repeated names are one lower-case identifier with one authorization', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const { json } = await world.call(newOrder, {
    by,
    payload: identifiers('WWW.Corp.Test', 'www.corp.test', 'www.CORP.test'),
  })
  assert.deepEqual(json.identifiers, [{ type: 'dns', value: 'www.corp.test' }])
  assert.equal(json.authorizations.length, 1)
})

test('KF-F03 101 names are refused before policy or store are asked', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const before = await world.store.retention.counts()
  const names = Array.from({ length: 101 }, (_, i) => `n${i}.denied.test`)
  const error = await world.refused(newOrder, { by, payload: identifiers(...names) })
  assert.equal(error.type, 'malformed')
  assert.match(error.message, /at most 100/)
  assert.deepEqual(world.log.of('policy.denied'), [])
  assert.deepEqual(await world.store.retention.counts(), before)
})

test('CQ-O10 a denial names each bad name, the rule, and a reference that finds the decision', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const payload = identifiers('good.test', 'x.denied.test', 'www.example.com', 'intranet')
  const error = await world.refused(newOrder, { by, payload })
  assert.equal(error.type, 'rejectedIdentifier')
  assert.equal(error.status, 403)
  assert.deepEqual(
    error.options.subproblems?.map(({ type, identifier }) => [type, identifier?.value]),
    [
      ['rejectedIdentifier', 'x.denied.test'],
      ['rejectedIdentifier', 'www.example.com'],
      ['rejectedIdentifier', 'intranet'],
    ],
  )
  assert.match(error.message, /policies\.default/)
  const requestId = /\(reference (req_[\w-]{22})\)/.exec(error.message)?.[1] as RequestId
  const [logged] = world.log.of('policy.denied')
  assert.equal(logged?.requestId, requestId)
  const [audited] = await world.store.audit.findByReference(requestId, 10)
  assert.equal(audited?.event, 'policy.denied')
  assert.match(JSON.stringify(audited?.data), /www\.example\.com/)
})

test('KF-G01 when policy cannot decide the order is refused, with 503 and a time to try again', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const policy = {
    decide: async () =>
      ({ outcome: 'deny', reasons: [{ rule: 'p', code: 'unavailable', detail: 'secret detail' }] }) as const,
  }
  const error = await world.refused(newOrder, {
    by,
    payload: identifiers('a.test'),
    directory: { ...world.directory, policy },
  })
  assert.equal(error.status, 503)
  assert.ok((error.options.retryAfterSeconds ?? 0) > 0)
  assert.doesNotMatch(error.message, /secret/)
})

test('KF-G01 when policy throws nothing is created', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const policy = { decide: () => Promise.reject(new Error('the policy service is down')) }
  const before = await world.store.retention.counts()
  await assert.rejects(
    world.call(newOrder, { by, payload: identifiers('a.test'), directory: { ...world.directory, policy } }),
  )
  assert.deepEqual(await world.store.retention.counts(), before)
})

test('policy is told account, external key, profile, names, lifetime and instant', async (t) => {
  const world = await openAcmeWorld({ profile: { maxLifetimeSeconds: 90_000 } })
  t.after(world.cleanup)
  const by = await world.account({ eabKeyId: 'eab_0000000000000000000000' as never })
  const asked: unknown[] = []
  const policy = {
    decide: async (request: unknown) => {
      asked.push(request)
      return { outcome: 'allow', reasons: [] } as const
    },
  }
  const payload = { ...identifiers('a.test'), notAfter: at(3600).toISOString() }
  await world.call(newOrder, { by, payload, directory: { ...world.directory, policy } })
  assert.deepEqual(asked, [
    {
      requester: {
        kind: 'account',
        directory: 'default',
        accountId: by.record.id,
        externalKey: { id: 'eab_0000000000000000000000', attributes: {}, groups: [] },
      },
      stage: 'order',
      profile: 'server',
      names: [{ type: 'dns', value: 'a.test' }],
      lifetimeSeconds: 3600,
      at: world.clock.now(),
    },
  ])
})

test('CQ-O17 an unknown profile is invalidProfile with the list; the own one and unknown members are fine', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const names = identifiers('a.test')
  const error = await world.refused(newOrder, { by, payload: { ...names, profile: 'tlsserver' } })
  assert.equal(error.type, 'invalidProfile')
  assert.match(error.message, /one of: server/)
  assert.equal((await world.refused(newOrder, { by, payload: { ...names, profile: 7 } })).type, 'malformed')
  for (const profile of ['server', null]) {
    assert.equal((await world.call(newOrder, { by, payload: { ...names, profile } })).json.profile, 'server')
  }
  assert.equal((await world.call(newOrder, { by, payload: { ...names, resource: 'new-order', what: {} } })).status, 201)
})

test('CQ-L04 replaces is ignored and not echoed', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const { json } = await world.call(newOrder, {
    by,
    payload: { ...identifiers('a.test'), replaces: 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE' },
  })
  assert.equal('replaces' in json, false)
})

test('CQ-O16 asked times are kept and echoed, and a notBefore of next week is refused', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const { json } = await world.call(newOrder, {
    by,
    payload: { ...identifiers('a.test'), notAfter: at(600).toISOString() },
  })
  assert.equal(json.notAfter, '2026-03-01T12:10:00Z')
  assert.equal('notBefore' in json, false)
  const error = await world.refused(newOrder, {
    by,
    payload: { ...identifiers('a.test'), notBefore: at(7 * 86_400).toISOString() },
  })
  assert.equal(error.type, 'malformed')
  assert.match(error.message, /notBefore .*3600 seconds.*notAfter/)
})

test('an identifier that no enabled challenge can prove is rejected, and says so', async (t) => {
  const world = await openAcmeWorld({ directory: { challenges: ['http-01'] } })
  t.after(world.cleanup)
  const by = await world.account()
  const error = await world.refused(newOrder, { by, payload: identifiers('a.test', '*.a.test') })
  assert.equal(error.type, 'rejectedIdentifier')
  assert.match(error.message, /http-01.*\*\.a\.test/)
  assert.equal(error.options.subproblems?.length, 1)
})

test('CQ-O15 an unreadable stored order does not stop the next one', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const first = await world.call(newOrder, { by, payload: identifiers('a.test') })
  const database = new DatabaseSync(world.path)
  database.prepare('UPDATE orders SET identifiers = ?, profile = ? WHERE id = ?').run('{', '!', idIn(first.location))
  database.close()
  assert.equal((await world.call(newOrder, { by, payload: identifiers('a.test') })).status, 201)
})

test('KF-B10 ids in URLs are 128 random bits', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const ids = []
  for (let i = 0; i < 12; i++)
    ids.push(idIn((await world.call(newOrder, { by, payload: identifiers('a.test') })).location))
  assert.equal(new Set(ids).size, 12)
  assert.notDeepEqual(ids, [...ids].sort())
  for (const id of ids) assert.match(id, /^ord_[A-Za-z0-9_-]{22}$/)
})

test('a request without a payload object is malformed', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  assert.equal((await world.refused(newOrder, { by, payload: '' })).type, 'malformed')
  assert.equal((await world.refused(newOrder, { by, payload: {} })).type, 'malformed')
})

test('the log names the order, its names and its authorizations, so that it can be followed', async (t) => {
  const world = await openAcmeWorld()
  t.after(world.cleanup)
  const by = await world.account()
  const { json, location } = await world.call(newOrder, { by, payload: identifiers('a.test') })
  const [line] = world.log.of('order.created')
  assert.equal(line?.orderId, idIn(location))
  assert.deepEqual(line?.['identifiers'], ['a.test'])
  assert.deepEqual(line?.['authorizationIds'], json.authorizations.map(idIn))
})
