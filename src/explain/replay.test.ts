import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decisionRecord } from '../../test/support/records.ts'
import type { Decision, Policy, Reason } from '../policy/decision.ts'
import type { DecisionRecord } from '../store/decisions.ts'
import type { PolicyInUse } from './policy-in-use.ts'
import { type Difference, replay } from './replay.ts'

const NOW = new Date('2026-03-01T12:00:00Z')

function inUse(decide: Policy['decide']): PolicyInUse {
  return { name: 'test', profiles: new Map(), of: (directory) => (directory === 'default' ? { decide } : undefined) }
}

function answer(outcome: Decision['outcome'], code: Reason['code'] = 'name-not-allowed'): Decision {
  return { outcome, reasons: [{ rule: 'r', code: outcome === 'allow' ? 'allowed' : code, detail: 'said' }] }
}

async function run(records: readonly DecisionRecord[], policy: PolicyInUse, unreadable = 0) {
  const differences: Difference[] = []
  const page = async ({ before = records.length }: { before?: number }) => {
    const decisions = records.slice(Math.max(0, before - 2), before).toReversed()
    return { decisions, unreadable: before > 2 ? 0 : unreadable, ...(before > 2 && { next: before - 2 }) }
  }
  const store = { page, append: () => assert.fail(), find: () => assert.fail() }
  const counts = await replay(store, { since: NOW, policy, found: (one) => void differences.push(one) })
  return { counts, differences }
}

test('every page is asked again, and what cannot be read is counted', async () => {
  const records = Array.from({ length: 5 }, (_, i) => decisionRecord(NOW, { reference: `req_${i}` }))
  const { counts, differences } = await run(
    records,
    inUse(async () => answer('allow')),
    3,
  )
  assert.deepEqual([counts.decisions, counts.allowed, counts.unreadable], [5, 5, 3])
  assert.deepEqual(
    differences.map(({ reference }) => reference),
    ['req_4', 'req_3', 'req_2', 'req_1', 'req_0'],
  )
})

test('what rules never decided is left out', async () => {
  const { request } = decisionRecord(NOW)
  const { counts } = await run(
    [
      decisionRecord(NOW, { request: { ...request, requester: { kind: 'server' } } }),
      decisionRecord(NOW, {
        request: { ...request, requester: { kind: 'account', directory: 'gone', accountId: 'acc_1' } },
      }),
      decisionRecord(NOW, { decision: answer('deny', 'often') }),
      decisionRecord(NOW, { decision: answer('deny', 'unavailable') }),
    ],
    inUse(async () => answer('allow')),
  )
  assert.deepEqual([counts.decisions, counts.skipped, counts.allowed], [0, 4, 0])
})

test('a certificate that would be shorter is not told of as refused, and one that would be refused either way is', async () => {
  const { request } = decisionRecord(NOW)
  const issued = decisionRecord(NOW, {
    request: { ...request, stage: 'issuance', lifetimeSeconds: 7200, proofs: [] },
    decision: answer('allow'),
  })
  const upTo = (seconds: number, offered: number) =>
    inUse(async ({ stage, lifetimeSeconds = 0, proofs }) => {
      if (stage === 'order') {
        assert.equal(proofs, undefined, 'an order knows no proofs')
        return { ...answer('allow'), grant: { methods: [], maxLifetimeSeconds: offered } }
      }
      return lifetimeSeconds <= seconds ? answer('allow') : answer('deny', 'lifetime')
    })
  const shorter = await run([issued], upTo(3600, 3600))
  assert.deepEqual(
    shorter.differences.map(({ change, lifetimeSeconds }) => [change, lifetimeSeconds]),
    [['shortened', 3600]],
  )
  const refused = await run([issued], upTo(60, 3600))
  assert.deepEqual(
    refused.differences.map(({ change }) => change),
    ['refused'],
  )
  const longer = await run([issued], upTo(60, 9999))
  assert.deepEqual(
    longer.differences.map(({ change }) => change),
    ['refused'],
  )
})

test('the same question gets the facts of its time', async () => {
  const record = decisionRecord(NOW)
  const asked: unknown[] = []
  const { counts } = await run(
    [record],
    inUse(async (request) => {
      asked.push(request)
      return answer('deny')
    }),
  )
  assert.deepEqual(asked, [record.request])
  assert.equal(counts.same, 1)
})
