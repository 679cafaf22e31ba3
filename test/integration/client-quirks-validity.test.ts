import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { assertRefused, type Journey, startJourney } from '../support/acme-journey.ts'
import { FakeClock } from '../support/fake-clock.ts'

/** Lifetime an hour, at most a day; the default limits otherwise. */
const SET = [
  'profiles.server.lifetime=1h',
  'profiles.server.maxLifetime=24h',
  'directories.default.maxNotBeforeAhead=1h',
]
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

let journey: Journey
before(async () => {
  journey = await startJourney({ set: SET })
})
after(() => journey?.close())

/** Now in whole seconds, plus so much. */
const inMs = (ms: number) => new Date(Math.floor(Date.now() / 1000) * 1000 + ms)
const text = (at: Date) => at.toISOString().replace('.000Z', 'Z')

describe('CQ-O16 what clients ask of the validity', () => {
  const granted: Record<string, () => { notBefore?: Date; notAfter?: Date }> = {
    nothing: () => ({}),
    'notAfter alone, as cert-manager does': () => ({ notAfter: inMs(6 * HOUR) }),
    'notAfter alone, at the very limit': () => ({ notAfter: inMs(DAY) }),
    'notBefore alone, now': () => ({ notBefore: inMs(0) }),
    'notBefore alone, in half an hour': () => ({ notBefore: inMs(30 * MINUTE) }),
    both: () => ({ notBefore: inMs(10 * MINUTE), notAfter: inMs(2 * HOUR) }),
  }
  for (const [name, make] of Object.entries(granted)) {
    test(`${name}: is kept in the order and stands in the certificate to the second`, async () => {
      const asked = make()
      const client = await journey.registered()
      const { placed, leaf } = await journey.issue(client, ['dates.localhost'], { extra: asked })
      for (const field of ['notBefore', 'notAfter'] as const) {
        const at = asked[field]
        assert.equal(placed.reply.json[field], at && text(at), field)
        if (at) assert.equal(new Date(field === 'notBefore' ? leaf.validFrom : leaf.validTo).getTime(), at.getTime())
      }
      const seconds = (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / 1000 + 1
      if (!asked.notAfter) assert.equal(seconds, 3600)
      assert.ok(seconds <= 86_400)
    })
  }

  const refused: [name: string, make: () => Record<string, unknown>, detail: RegExp][] = [
    [
      'the end put into notBefore, as win-acme did',
      () => ({ notBefore: inMs(7 * DAY) }),
      /notBefore .*3600 seconds.*notAfter/,
    ],
    ['notBefore just beyond the limit', () => ({ notBefore: inMs(HOUR + MINUTE) }), /notBefore .*3600 seconds/],
    ['notBefore of yesterday', () => ({ notBefore: inMs(-DAY) }), /notBefore .*300 seconds in the past/],
    ['notAfter beyond the profile', () => ({ notAfter: inMs(2 * DAY) }), /notAfter .*server .*86400 seconds/],
    ['notAfter of yesterday', () => ({ notAfter: inMs(-DAY) }), /notAfter .*not later than/],
    [
      'notAfter before notBefore',
      () => ({ notBefore: inMs(20 * MINUTE), notAfter: inMs(10 * MINUTE) }),
      /notAfter .*notBefore/,
    ],
    ['a date without time', () => ({ notAfter: '2030-01-01' }), /"notAfter".*RFC 3339/],
    ['seconds since 1970', () => ({ notBefore: 1_800_000_000 }), /"notBefore".*RFC 3339/],
  ]
  for (const [name, make, detail] of refused) {
    test(`${name}: is refused, naming field, value and limit, and nothing is stored`, async () => {
      const client = await journey.registered()
      assert.match(assertRefused(await client.newOrder(['dates.localhost'], make()), 400, 'malformed'), detail)
      assert.deepEqual((await client.postAsGet(`${client.accountUrl}/orders`)).json.orders, [])
    })
  }
})

test('CQ-C06 a device whose clock is two minutes behind takes the certificate, and the length is unchanged', async () => {
  const client = await journey.registered()
  const { leaf } = await journey.issue(client, ['behind.localhost'])
  const deviceNow = Date.now() - 2 * MINUTE
  assert.ok(Date.parse(leaf.validFrom) <= deviceNow)
  assert.ok(Date.parse(leaf.validFrom) >= Date.now() - HOUR)
  assert.equal((Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / 1000 + 1, 3600)
})

test('CQ-C04 no certificate outlives its chain: the profile allows ten years, the issuing CA does not', async (t) => {
  const long = await startJourney({ set: ['profiles.server.lifetime=3650d'] })
  t.after(() => long.close())
  const client = await long.registered()
  const { leaf } = await long.issue(client, ['long.localhost'])
  const [issuer] = [...long.chancery.running.issuers.values()]
  const ends = issuer!.chain.map(({ notAfter }) => notAfter.getTime())
  assert.ok(Math.min(...ends) < Date.now() + 3650 * DAY)
  assert.equal(Date.parse(leaf.validTo), Math.min(...ends))
  const beyond = await client.newOrder(['long.localhost'], { notAfter: new Date(Math.min(...ends) + HOUR) })
  if (beyond.status === 201) {
    const refused = await client.post(beyond.json.finalize, { csr: client.csr(['long.localhost']).base64url })
    assert.match(assertRefused(refused, 400, 'malformed'), /notAfter .*issuing CA/)
  } else assert.match(assertRefused(beyond, 400, 'malformed'), /notAfter/)
})

test('CQ-O14 days later an unfinished order reads invalid, and a finished one is still valid and downloadable', async (t) => {
  const clock = new FakeClock(new Date().toISOString())
  const journey = await startJourney({ clock, set: ['orders.lifetime=1h', 'orders.validAuthorizationLifetime=1h'] })
  t.after(() => journey.close())
  const client = await journey.registered()
  const done = await journey.issue(client, ['old.localhost'])
  const open = await journey.place(client, ['open.localhost'])
  const ready = await journey.place(client, ['old.localhost'])
  assert.equal(ready.reply.json.status, 'ready')
  clock.setWall(new Date(clock.now().getTime() + 8 * DAY))
  await journey.chancery.store.retention.sweep(
    {
      finalOrdersSeconds: journey.chancery.running.config.retention.finalOrders,
      expiredCertificatesSeconds: journey.chancery.running.config.retention.expiredCertificates,
      unusedAccountsSeconds: journey.chancery.running.config.retention.unusedAccounts,
      spentEabKeysSeconds: journey.chancery.running.config.retention.spentEabKeys,
      auditSeconds: journey.chancery.running.config.retention.audit,
      decisionsSeconds: journey.chancery.running.config.retention.decisions,
    },
    { now: clock.now(), batch: 1000 },
  )
  // The nonces of last week are of no use; every answer brings a fresh one.
  await client.get(client.directoryUrl)
  const read = async (url: string) => (await client.postAsGet(url)).json
  assert.equal((await read(done.placed.url)).status, 'valid')
  assert.equal((await client.postAsGet(done.certificateUrl)).text, done.chain.text)
  for (const { url, finalize } of [open, ready]) {
    const order = await read(url)
    assert.equal(order.status, 'invalid')
    assert.match(order.error.detail, /expired/)
    assertRefused(await client.post(finalize, { csr: client.csr(['old.localhost']).base64url }), 403, 'orderNotReady')
  }
})
