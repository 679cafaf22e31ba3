import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { RecordingMetrics } from '../../test/support/recorders.ts'
import { systemRandom } from '../lib/random.ts'
import { createNonceService } from './nonce-service.ts'

/** Keeps what was spent, and counts how often it was asked. */
function memoryStore() {
  const spent = new Set<string>()
  const asked: { id: string; expiresAt: Date }[] = []
  return {
    asked,
    nonces: {
      async spend(id: string, expiresAt: Date) {
        asked.push({ id, expiresAt })
        const isNew = !spent.has(id)
        spent.add(id)
        return isNew
      },
    },
  }
}

function open(
  options: { percent?: number; key?: Buffer; clock?: FakeClock; store?: ReturnType<typeof memoryStore> } = {},
) {
  const clock = options.clock ?? new FakeClock()
  const store = options.store ?? memoryStore()
  const metrics = new RecordingMetrics()
  const service = createNonceService({
    store,
    clock,
    random: systemRandom,
    key: options.key ?? Buffer.alloc(32, 7),
    chaosBadNoncePercent: options.percent ?? 0,
    metrics,
  })
  return { service, clock, store, metrics }
}

test('a nonce is base64url, differs from every other, and is good exactly once', async () => {
  const { service } = open()
  const nonces = Array.from({ length: 500 }, () => service.issue())
  assert.equal(new Set(nonces).size, 500)
  for (const nonce of nonces) assert.match(nonce, /^[A-Za-z0-9_-]{40}$/)
  assert.deepEqual(await service.spend(nonces[0]!), { outcome: 'good' })
  assert.deepEqual(await service.spend(nonces[0]!), { outcome: 'bad', reason: 'used' })
  assert.deepEqual(await service.spend(nonces[1]!), { outcome: 'good' })
})

test('KF-B06 of twenty at once with one nonce, one is let in', async () => {
  const { service } = open()
  const nonce = service.issue()
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => service.spend(nonce)))
  assert.equal(outcomes.filter(({ outcome }) => outcome === 'good').length, 1)
})

test('KF-B06 giving out nonces stores nothing, and forged or expired ones never reach the store', async () => {
  const { service, store, clock } = open()
  for (let i = 0; i < 10_000; i++) service.issue()
  const old = service.issue()
  const changed = `${old.slice(0, 20)}${old[20] === 'A' ? 'B' : 'A'}${old.slice(21)}`
  assert.deepEqual(await service.spend(changed), { outcome: 'bad', reason: 'unknown' })
  assert.deepEqual(await service.spend('A'.repeat(40)), { outcome: 'bad', reason: 'unknown' })
  await clock.advance(7_200_000)
  assert.deepEqual(await service.spend(old), { outcome: 'bad', reason: 'expired' })
  assert.equal(store.asked.length, 0)
})

test('KF-B06 any text gets an answer: short, long, not base64url', async () => {
  const { service } = open()
  for (const nonce of ['a', 'A'.repeat(10_000), '_-', 'A'.repeat(39), 'A'.repeat(41)]) {
    assert.deepEqual(await service.spend(nonce), { outcome: 'bad', reason: 'unknown' }, nonce.slice(0, 60))
  }
  for (const nonce of ['', ' ', 'a=', 'a+b', 'a/b', 'é', 'a\n', '\0', `${service.issue()}=`, `${service.issue()}\n`]) {
    assert.deepEqual(await service.spend(nonce), { outcome: 'malformed' }, JSON.stringify(nonce))
  }
})

test('CQ-N02 a nonce is good for an hour, also at another replica and after a restart, and remembered as spent until it expires', async () => {
  const clock = new FakeClock()
  const store = memoryStore()
  const before = open({ clock, store })
  const nonces = [before.service.issue(), before.service.issue()] as const
  await clock.advance(3_590_000)
  const after = open({ clock, store })
  assert.deepEqual(await after.service.spend(nonces[0]), { outcome: 'good' })
  assert.deepEqual(await before.service.spend(nonces[0]), { outcome: 'bad', reason: 'used' })
  assert.ok(store.asked[0]!.expiresAt > clock.now())
})

test('CQ-N07 after two hours a nonce is expired, not malformed', async () => {
  const { service, clock } = open()
  const nonce = service.issue()
  await clock.advance(7_200_000)
  assert.deepEqual(await service.spend(nonce), { outcome: 'bad', reason: 'expired' })
})

test('KF-E08 nonces made under another key, such as before a restore, are unknown', async () => {
  const nonce = open({ key: Buffer.alloc(32, 1) }).service.issue()
  assert.deepEqual(await open({ key: Buffer.alloc(32, 2) }).service.spend(nonce), { outcome: 'bad', reason: 'unknown' })
  assert.throws(() => open({ key: Buffer.alloc(16) }), /needs 32/)
})

test('KF-G12 in chaos mode about the set share of good nonces is refused, and they are spent all the same', async () => {
  const { service, metrics } = open({ percent: 50 })
  const nonces = Array.from({ length: 400 }, () => service.issue())
  const outcomes = await Promise.all(nonces.map((nonce) => service.spend(nonce)))
  const refused = nonces.filter((_, i) => outcomes[i]!.outcome === 'bad')
  assert.ok(refused.length > 100 && refused.length < 300, `${refused.length}`)
  assert.deepEqual(await service.spend(refused[0]!), { outcome: 'bad', reason: 'used' })
  assert.equal(metrics.counts.get('chancery_nonces_total chaos'), refused.length)
  const all = open({ percent: 100 }).service
  assert.deepEqual(await all.spend(all.issue()), { outcome: 'bad', reason: 'chaos' })
})

test('KF-G12 the nonce that answers a refusal is good for the retry, once, even in chaos mode (RFC 8555 §6.5)', async () => {
  const { service } = open({ percent: 100 })
  const answer = service.issue()
  service.spare(answer)
  assert.deepEqual(await service.spend(answer), { outcome: 'good' })
  assert.deepEqual(await service.spend(answer), { outcome: 'bad', reason: 'used' })
  assert.deepEqual(await service.spend(service.issue()), { outcome: 'bad', reason: 'chaos' })
})
