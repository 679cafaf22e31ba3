import './event-loop.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PlantName } from './plants.ts'
import { type SimulationOptions, type SimulationReport, simulate } from './simulate.ts'
import { Violation } from './world.ts'

/** A failure here is reproduced by its seed: `npm run simulate -- --seed …`, see `docs/simulation.md`. */
async function lives(options: Omit<SimulationOptions, 'members'> & { members?: number }): Promise<SimulationReport> {
  const report = await simulate({ members: 6, ...options })
  if (report.failure === undefined) return report
  throw new Error(`seed ${report.seed} failed:\n${report.tail.slice(-40).join('\n')}`, { cause: report.failure })
}

test('KF-E06 KF-E13 KF-E17 a simulated life with kills and faults of every kind breaks no promise, whatever the seed', async () => {
  for (const seed of ['a', 'b']) {
    const { facts } = await lives({ seed, days: 1, crashRate: 12, faultRate: 8, toTheEnd: false })
    assert.ok((facts['kills'] ?? 0) > 3 && (facts['certificates'] ?? 0) > 5, JSON.stringify(facts))
  }
})

test('KF-E10 when everybody has gone and the times of retention are over, what ended is gone and no timer is left', async () => {
  const { facts, days } = await lives({ seed: 'end', days: 0.7, members: 3 })
  assert.ok(days > 7 && (facts['certificates'] ?? 0) > 0)
})

test('one seed has one history, and another seed another', async () => {
  const run = async (seed: string): Promise<string> =>
    (await lives({ seed, days: 0.4, crashRate: 20, faultRate: 20, toTheEnd: false })).traceHash
  const first = await run('same')
  assert.equal(await run('same'), first)
  assert.notEqual(await run('other'), first)
})

interface Find {
  /** Which rules may tell of it. */
  readonly rules: readonly string[]
  /** How wild, long and populous a life shows it soon. */
  readonly crashRate: number
  readonly days: number
  readonly members?: number
  readonly toTheEnd?: boolean
}

const FINDS: Readonly<Record<Exclude<PlantName, 'none'>, Find>> = {
  'lost-commits': { rules: ['nothing-lost', 'known-to-store', 'one-serial'], crashRate: 20, days: 1 },
  'early-retention': { rules: ['nothing-lost'], crashRate: 0, days: 1.2 },
  'no-retention': { rules: ['retention'], crashRate: 0, days: 0.5 },
  'incomplete-crl': { rules: ['revoked-listed'], crashRate: 0, days: 1 },
  'late-crl': { rules: ['revoked-listed'], crashRate: 0, days: 1 },
  'nonce-twice': { rules: ['nonce-once'], crashRate: 0, days: 1 },
  'no-intent': { rules: ['known-to-store'], crashRate: 0, days: 0.5 },
  'no-proof': { rules: ['proof'], crashRate: 0, days: 0.5 },
  'no-decision': { rules: ['decision'], crashRate: 0, days: 0.5 },
  'decision-after': { rules: ['decision'], crashRate: 80, days: 1 },
  'decision-before': { rules: ['decision'], crashRate: 80, days: 1 },
  'no-refusal': { rules: ['refusal'], crashRate: 0, days: 1 },
  'early-decisions': { rules: ['decision', 'refusal'], crashRate: 8, days: 0.6 },
  'late-decisions': { rules: ['retention'], crashRate: 0, days: 1.5 },
  'blind-often': { rules: ['often'], crashRate: 8, days: 0.6 },
  'no-names': { rules: ['issued-names'], crashRate: 8, days: 0.6 },
  'early-names': { rules: ['issued-names'], crashRate: 8, days: 0.6 },
  'no-resume': { rules: ['orders-end'], crashRate: 8, days: 2 },
  'no-policy': { rules: ['policy'], crashRate: 0, days: 1 },
  'open-account': { rules: ['ended-account'], crashRate: 0, days: 1 },
  'open-key': { rules: ['blocked-key'], crashRate: 0, days: 1 },
  'strange-certificate': { rules: ['names'], crashRate: 0, days: 0.5 },
  'former-certificate': { rules: ['key'], crashRate: 0, days: 1 },
  'crl-of-strangers': { rules: ['crl-entries'], crashRate: 0, days: 0.1 },
  'damaged-crl': { rules: ['signature'], crashRate: 0, days: 0.1 },
  'former-crl': { rules: ['crl-number'], crashRate: 0, days: 1 },
  'old-crl': { rules: ['crl-valid'], crashRate: 0, days: 2, members: 1 },
  'kept-lease': { rules: ['leases-end'], crashRate: 0, days: 0.1, members: 1, toTheEnd: true },
  'no-retries': { rules: ['jobs-end'], crashRate: 0, days: 0.5 },
  'no-renewal': { rules: ['availability'], crashRate: 0, days: 1.5, members: 3 },
  'failing-refusal': { rules: ['no-failure'], crashRate: 0, days: 0.5 },
  'no-start': { rules: ['starts'], crashRate: 0, days: 0.1 },
  'kept-timer': { rules: ['nothing-leaks'], crashRate: 0, days: 0.1, members: 1, toTheEnd: true },
}

for (const [plant, { rules, ...life }] of Object.entries(FINDS)) {
  test(`a planted fault, ${plant}, is found by one of three seeds`, async () => {
    for (const seed of ['1', '2', '3']) {
      const options = { seed, members: 12, faultRate: 0, toTheEnd: false, ...life }
      const { failure } = await simulate({ ...options, plant: plant as PlantName })
      if (failure === undefined) continue
      assert.ok(failure instanceof Violation, `${failure}`)
      assert.ok(rules.includes(failure.rule), failure.message)
      return
    }
    assert.fail('no seed found it')
  })
}
