import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { type CampaignOptions, type CampaignResult, runCampaign } from './harness/campaign.ts'
import { type Expected, loseIssuanceLog, loseTail, VANDALISM, vandalize } from './vandalism.ts'

async function campaign(t: TestContext, options: Partial<CampaignOptions>): Promise<CampaignResult> {
  const result = await runCampaign({
    kills: 6,
    seed: t.name,
    secondsPerLife: 1,
    clients: 8,
    say: (line) => t.diagnostic(line),
    ...options,
  })
  t.after(() => rm(result.folder, { recursive: true, force: true }))
  t.diagnostic(JSON.stringify({ ...result.kills, ...result.acknowledged }))
  return result
}

const told = ({ violations, folder }: CampaignResult): string =>
  [...violations.map(({ promise, detail, life }) => `life ${life}, ${promise}: ${detail}`), folder].join('\n')

test('KF-E01 KF-E04 KF-E13 killed at random under load, the server keeps every promise it made', async (t) => {
  const result = await campaign(t, { kills: 6, seed: 'npm test' })
  assert.equal(result.violations.length, 0, told(result))
  assert.ok((result.acknowledged['certificates'] ?? 0) > 0)
  assert.equal(
    Object.values(result.kills).reduce((sum, count) => sum + count),
    6,
  )
})

test('the harness notices every promise that is broken behind the back of the server', async (t) => {
  let expected: readonly Expected[] | undefined
  const result = await campaign(t, {
    kills: 5,
    clients: 10,
    listWithinMs: 2_000,
    plan: () => ({ kind: 'time', afterMs: 3_000 }),
    isEnough: () => expected !== undefined,
    betweenLives: (parts) => {
      expected ??= vandalize(parts)
    },
  })
  assert.ok(expected, 'not everything was acknowledged in time')
  assert.equal(expected.length, VANDALISM.length)
  for (const { what, promise, named } of expected) {
    const isNoticed = result.violations.some((one) => one.promise === promise && one.detail.includes(named))
    assert.ok(isNoticed, `not noticed: ${what} (${promise} of ${named})\n${told(result)}`)
  }
})

test('the harness notices a disk that loses what it said was written', async (t) => {
  const result = await campaign(t, {
    kills: 2,
    logFactor: 0,
    listWithinMs: 1_000,
    plan: () => ({ kind: 'time', afterMs: 1_500 }),
    betweenLives(parts) {
      if (parts.life !== 2) return
      loseTail(parts)
      // With it, the server would see the loss for itself, and not start (KF-E08).
      loseIssuanceLog(parts)
    },
  })
  const noticed = new Set(result.violations.map(({ promise }) => promise))
  assert.ok(noticed.has('accounts') && noticed.has('orders'), told(result))
})
