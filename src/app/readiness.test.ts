import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { adminRoutes, type ReadinessCheck } from '../admin/admin-listener.ts'
import type { Issuer } from '../issuance/issuer.ts'
import { type ClockGuard, createClockGuard } from '../lib/clock-guard.ts'
import { createMetrics } from '../observe/prometheus.ts'
import type { CrlRecord } from '../store/records.ts'
import { readinessChecks } from './readiness.ts'

async function ask(
  checks: readonly ReadinessCheck[],
): Promise<{ status: number | undefined; body: { status: string; checks: Record<string, string> } }> {
  const metrics = createMetrics()
  metrics.close()
  const answer = await adminRoutes({ metrics, checks })
    .find(({ path }) => path === '/readyz')
    ?.get({}, {} as IncomingMessage)
  return { status: answer?.status, body: JSON.parse(String(answer?.body)) }
}

/** An issuer of which nothing but its name and id is asked: its chain is empty. */
const issuer = { id: 'ab', name: 'default', chain: [], certificate: {} } as unknown as Issuer
const clock = new FakeClock('2026-03-01T12:00:00Z')
const crl = (nextUpdate: string): CrlRecord => ({
  issuerId: 'ab',
  number: 1n,
  thisUpdate: new Date(0),
  nextUpdate: new Date(nextUpdate),
  crlDer: Buffer.alloc(0),
})
const checksWith = (options: {
  ping?: () => Promise<void>
  latest?: CrlRecord | undefined
  clockGuard?: ClockGuard
}): ReadinessCheck[] =>
  readinessChecks({
    store: { ping: options.ping ?? (async () => undefined) },
    issuers: () => [issuer],
    publisher: { latest: async () => options.latest },
    clock,
    clockGuard: options.clockGuard ?? createClockGuard({ clock, toleranceSeconds: 60 }),
  })

test('all well is 200', async () => {
  const { status, body } = await ask(checksWith({ latest: crl('2026-03-01T13:00:00Z') }))
  assert.equal(status, 200)
  assert.equal(body.status, 'ok')
})

test('KF-D11 a CRL past its nextUpdate, or none, is 503 and says which issuer', async () => {
  for (const latest of [crl('2026-03-01T12:00:00Z'), undefined]) {
    const { status, body } = await ask(checksWith({ latest }))
    assert.equal(status, 503)
    assert.match(body.checks['crl'] ?? '', /issuer default/)
  }
})

test('KF-E09 a clock that lies behind what the store has seen is 503 and says both times', async () => {
  const newestSeen = new Date('2026-03-01T13:00:00Z')
  const clockGuard = createClockGuard({ clock, toleranceSeconds: 60, newestSeen })
  const { status, body } = await ask(checksWith({ latest: crl('2026-03-01T13:00:00Z'), clockGuard }))
  assert.equal(status, 503)
  assert.match(body.checks['clock'] ?? '', /12:00:00.*13:00:00.*chancery clock accept/)
})

test('KF-F21 a store that fails is 503, and the answer tells nothing of its inside', async () => {
  const { status, body } = await ask(
    checksWith({
      latest: crl('2026-03-01T13:00:00Z'),
      ping: () => Promise.reject(new Error('/var/lib/secret.db: SQLITE_IOERR')),
    }),
  )
  assert.equal(status, 503)
  assert.equal(JSON.stringify(body).includes('secret.db'), false)
})

test('KF-G01 a check that itself fails counts as not ready', async () => {
  const { status, body } = await ask([{ name: 'odd', check: () => Promise.reject(new Error('x')) }])
  assert.equal(status, 503)
  assert.deepEqual(body.checks, { odd: 'the check itself failed' })
})
