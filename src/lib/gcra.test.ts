import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../test/support/seeded-random.ts'
import { available, CLOCK_DISAGREEMENT_US, type GcraRule, gcra, reachUs, spend } from './gcra.ts'

const NOW = Date.parse('2026-03-01T12:00:00Z') * 1000
const YEAR_US = 365 * 86_400 * 1e6

function drawer(seed: string): (below: number) => number {
  const random = new SeededRandom(seed)
  return (below) => random.bytes(4).readUInt32BE(0) % below
}

function anyRule(draw: (below: number) => number): GcraRule {
  return { intervalUs: 1 + draw(1_000_000), burst: 1 + draw(50) }
}

test('KF-F05 in no window of any length is more let through than the burst and what came back in it', () => {
  const draw = drawer('windows')
  for (let round = 0; round < 100; round++) {
    const rule = anyRule(draw)
    const taken: { at: number; units: number }[] = []
    let stored: number | undefined
    let now = NOW
    for (let step = 0; step < 150; step++) {
      now += draw(Math.ceil(rule.intervalUs * 1.5))
      const cost = 1 + draw(4)
      const decision = gcra(rule, stored, now, cost)
      if (!decision.allowed) continue
      stored = decision.tatUs
      taken.push({ at: now, units: Math.min(cost, rule.burst) })
    }
    for (const [from, first] of taken.entries()) {
      let units = 0
      for (const { at, units: more } of taken.slice(from)) {
        units += more
        assert.ok(units <= rule.burst + Math.floor((at - first.at) / rule.intervalUs))
      }
    }
  }
})

test('a refused request passes after exactly the wait it was told, and not a microsecond sooner', () => {
  const draw = drawer('waits')
  let refused = 0
  for (let round = 0; round < 5000; round++) {
    const rule = anyRule(draw)
    const cost = 1 + draw(rule.burst)
    const stored = NOW + draw(reachUs(rule) + 1)
    const decision = gcra(rule, stored, NOW, cost)
    if (decision.allowed) continue
    refused++
    assert.equal(decision.tatUs, stored)
    assert.equal(gcra(rule, stored, NOW + decision.waitUs, cost).allowed, true)
    assert.equal(gcra(rule, stored, NOW + decision.waitUs - 1, cost).allowed, false)
  }
  assert.ok(refused > 1000)
})

test('what is available can be taken at once, and one more cannot', () => {
  const draw = drawer('available')
  for (let round = 0; round < 2000; round++) {
    const rule = anyRule(draw)
    const stored = round % 3 === 0 ? undefined : NOW - YEAR_US + draw(2 ** 32) * draw(100_000)
    const units = available(rule, stored, NOW)
    assert.ok(units >= 0 && units <= rule.burst)
    if (units > 0) assert.equal(gcra(rule, stored, NOW, units).allowed, true)
    if (units < rule.burst) assert.equal(gcra(rule, stored, NOW, units + 1).allowed, false)
  }
})

test('KF-F03 a cost above the whole burst passes as a whole burst, and not at all while something is owed', () => {
  const rule = { intervalUs: 1000, burst: 10 }
  const all = gcra(rule, undefined, NOW, 100)
  assert.deepEqual(all, { allowed: true, tatUs: NOW + 10_000 })
  assert.equal(gcra(rule, NOW + 1, NOW, 100).allowed, false)
})

test('KF-E09 a clock that goes back a year locks nobody out: a full debt is left, paid off at the usual rate', () => {
  const rule = { intervalUs: 1000, burst: 10 }
  const before = gcra(rule, undefined, NOW + YEAR_US, 10)
  const after = gcra(rule, before.tatUs, NOW, 1)
  assert.deepEqual(after, { allowed: false, waitUs: 1000, tatUs: NOW + 10_000 })
  assert.equal(gcra(rule, after.tatUs, NOW + 1000, 1).allowed, true)
})

test('KF-E09 a clock that goes forward a year and back opens no gate', () => {
  const rule = { intervalUs: 60_000_000, burst: 10 }
  let stored: number | undefined
  let through = 0
  for (let jump = 0; jump < 100; jump++) {
    const now = NOW + (jump % 2 === 0 ? 0 : YEAR_US)
    for (let request = 0; request < 50; request++) {
      const decision = gcra(rule, stored, now, 1)
      stored = decision.tatUs
      if (decision.allowed) through++
    }
  }
  // One burst before the first jump, and one after it; each way back finds a full debt.
  assert.ok(through <= 10 + 50 * 10, String(through))
  const back = gcra(rule, stored, NOW, 1)
  assert.equal(back.allowed, false)
})

test('two replicas whose clocks differ within the bound let no more through together than one of them', () => {
  const rule = { intervalUs: 1_000_000, burst: 100 }
  let stored: number | undefined
  let through = 0
  for (let request = 0; request < 10_000; request++) {
    const decision = gcra(rule, stored, NOW + (request % 2 === 0 ? CLOCK_DISAGREEMENT_US : 0), 1)
    stored = decision.tatUs
    if (decision.allowed) through++
  }
  assert.equal(through, 100)
})

test('what is spent without asking never makes more than a full debt', () => {
  const rule = { intervalUs: 1000, burst: 10 }
  assert.equal(spend(rule, undefined, NOW, 3), NOW + 3000)
  assert.equal(spend(rule, NOW + 9000, NOW, 500), NOW + 10_000)
})
