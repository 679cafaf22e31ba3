import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { missingPostgres } from '../support/postgres-server.ts'
import { runCampaign } from './harness/campaign.ts'
import { postgresGround } from './harness/ground.ts'
import type { KillPlan } from './harness/kill-plan.ts'

const PLANS: readonly KillPlan[] = [
  { kind: 'time', afterMs: 1_200 },
  { kind: 'database', afterMs: 700, thenMs: 500 },
  { kind: 'signing', place: 'after signing 3' },
]

test('KF-E01 KF-E07 KF-E13 two servers on one PostgreSQL: whichever is killed, or the database itself, every promise is kept', {
  skip: missingPostgres() ?? false,
}, async (t) => {
  const result = await runCampaign({
    kills: 4,
    seed: 'npm test',
    secondsPerLife: 1,
    clients: 6,
    ground: await postgresGround(2),
    plan: (life) => PLANS[life % PLANS.length] ?? { kind: 'time', afterMs: 500 },
    // More than the longest lease.
    lastOffsetMs: 100_000,
    say: (line) => t.diagnostic(line),
  })
  t.diagnostic(JSON.stringify({ ...result.kills, ...result.acknowledged }))
  const told = result.violations.map(({ promise, detail, life }) => `life ${life}, ${promise}: ${detail}`)
  t.after(() => rm(result.folder, { recursive: true, force: true }))
  assert.equal(told.length, 0, told.join('\n'))
  assert.ok((result.kills['database'] ?? 0) > 0)
  assert.ok((result.acknowledged['certificates'] ?? 0) > 0)
})
