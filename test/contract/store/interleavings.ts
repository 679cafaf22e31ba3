import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { AccountRecord, AuthorizationRecord, CertificateRecord, OrderRecord } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import { auditEvent, certificateRecord, dnsName, hours, later, problem } from '../../support/records.ts'
import {
  begin,
  complete,
  createAccount,
  firstChallengeId,
  placeOrder,
  respond,
  revoke,
  times,
  type WithStore,
} from './harness.ts'

/**
 * KF-E06: whatever happens at the same time must look as if it happened one after the other. Three random
 * operations at a time are run against one order; then some order of the three must lead the model below to the
 * same answers and the same facts.
 */
interface Model {
  accountGone: boolean
  order: 'open' | 'processing' | 'issued' | 'failed'
  readonly proofs: ('pending' | 'queued' | 'valid' | 'invalid' | 'deactivated')[]
  certificate: 'none' | 'reserved' | 'issued' | 'abandoned'
  revoked: boolean
}

const OPERATIONS = [
  'respond-0',
  'respond-1',
  'succeed-0',
  'succeed-1',
  'fail-0',
  'deactivate-0',
  'deactivate-account',
  'begin',
  'begin',
  'complete',
  'complete',
  'abandon',
  'fail-order',
  'revoke',
] as const
type Operation = (typeof OPERATIONS)[number]

/** The same operation on the model; returns the answer the store must give. */
function step(model: Model, operation: Operation): string {
  const failOrder = (): void => {
    if (model.order === 'open') model.order = 'failed'
  }
  switch (operation) {
    case 'respond-0':
    case 'respond-1': {
      const i = operation === 'respond-0' ? 0 : 1
      if (model.proofs[i] !== 'pending' || model.accountGone) return 'already'
      model.proofs[i] = 'queued'
      return 'queued'
    }
    case 'succeed-0':
    case 'succeed-1': {
      const i = operation === 'succeed-0' ? 0 : 1
      if (model.proofs[i] !== 'queued' || model.accountGone) return 'discarded'
      model.proofs[i] = 'valid'
      return 'done'
    }
    case 'fail-0':
      if (model.proofs[0] !== 'queued' || model.accountGone) return 'discarded'
      model.proofs[0] = 'invalid'
      failOrder()
      return 'done'
    case 'deactivate-0':
      if (model.proofs[0] === 'invalid') return 'not deactivated'
      if (model.proofs[0] !== 'deactivated') failOrder()
      model.proofs[0] = 'deactivated'
      return 'deactivated'
    case 'deactivate-account':
      if (!model.accountGone) failOrder()
      model.accountGone = true
      return 'deactivated'
    case 'begin':
      if (model.order !== 'open' || model.accountGone || model.proofs.some((proof) => proof !== 'valid'))
        return 'not-ready'
      model.order = 'processing'
      model.certificate = 'reserved'
      return 'begun'
    case 'complete':
      if (model.certificate !== 'reserved') return 'unknown'
      model.certificate = 'issued'
      if (model.order !== 'processing') return 'order-ended'
      model.order = 'issued'
      return 'completed'
    case 'abandon':
      if (model.certificate === 'reserved') {
        model.certificate = 'abandoned'
        if (model.order === 'processing') model.order = 'failed'
      }
      return 'ended'
    case 'fail-order':
      if (model.order !== 'issued') model.order = 'failed'
      return 'ended'
    case 'revoke': {
      if (model.certificate !== 'issued') return 'unknown'
      const answer = model.revoked ? 'already' : 'revoked'
      model.revoked = true
      return answer
    }
    default:
      return operation satisfies never
  }
}

interface Scene {
  readonly store: Store
  readonly now: Date
  readonly account: AccountRecord
  readonly order: OrderRecord
  readonly authorizations: readonly AuthorizationRecord[]
  readonly certificate: CertificateRecord
}

async function perform(
  { store, now, account, order, authorizations, certificate }: Scene,
  operation: Operation,
): Promise<string> {
  const [first, second] = authorizations
  assert.ok(first && second)
  const ending = { now, error: problem('gone'), audit: auditEvent(now, operation) }
  const success = { owner: 'runner 1', now, expiresAt: later(now, hours(8)), audit: ending.audit }
  switch (operation) {
    case 'respond-0':
      return (await respond(store, first, now)).outcome
    case 'respond-1':
      return (await respond(store, second, now)).outcome
    case 'succeed-0':
      return store.validationJobs.succeed(firstChallengeId(first), success)
    case 'succeed-1':
      return store.validationJobs.succeed(firstChallengeId(second), success)
    case 'fail-0':
      return store.validationJobs.fail(firstChallengeId(first), {
        ...ending,
        owner: 'runner 1',
        orderError: problem('no'),
      })
    case 'deactivate-0': {
      const ended = await store.authorizations.deactivate(account.directory, account.id, first.id, ending)
      return ended?.deactivatedAt === undefined ? 'not deactivated' : 'deactivated'
    }
    case 'deactivate-account': {
      const ended = await store.accounts.deactivate(account.directory, account.id, ending)
      return ended?.deactivatedAt === undefined ? 'not deactivated' : 'deactivated'
    }
    case 'begin':
      return begin(store, { ...certificate, orderId: order.id }, now)
    case 'complete':
      return complete(store, certificate, now)
    case 'abandon':
      await store.certificates.abandon(certificate, ending)
      return 'ended'
    case 'fail-order':
      await store.orders.fail(order.id, ending)
      return 'ended'
    case 'revoke':
      return (await revoke(store, certificate, now)).outcome
    default:
      return operation satisfies never
  }
}

/** The facts of the store in the words of the model. */
async function observe({ store, account, order, certificate }: Scene): Promise<Model> {
  const found = await store.orders.get(order.id)
  const stored = await store.certificates.find(certificate.issuerId, certificate.serial)
  assert.ok(found)
  const { failedAt, certificateSerial, processingAt } = found.order
  return {
    accountGone: (await store.accounts.find(account.directory, account.id))?.deactivatedAt !== undefined,
    order: failedAt ? 'failed' : certificateSerial ? 'issued' : processingAt ? 'processing' : 'open',
    proofs: found.authorizations.map(({ deactivatedAt, challenges: [challenge] }) => {
      if (deactivatedAt) return 'deactivated'
      if (challenge?.validatedAt) return 'valid'
      if (challenge?.failedAt) return 'invalid'
      return challenge?.respondedAt ? 'queued' : 'pending'
    }),
    certificate: !stored ? 'none' : stored.abandonedAt ? 'abandoned' : stored.issuedAt ? 'issued' : 'reserved',
    revoked: stored?.revokedAt !== undefined,
  }
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]))
}

const MUST_REACH = [
  'order open',
  'order processing',
  'order issued',
  'order failed',
  'certificate abandoned',
  'certificate issued',
] as const

/** Repeatable choices: the seed and a counter, hashed. */
function chooser(seed: string): (count: number) => number {
  let drawn = 0
  return (count) => createHash('sha256').update(`${seed} ${drawn++}`).digest().readUInt32BE() % count
}

export function interleavingsContract(withStore: WithStore): void {
  test('KF-E06 random operations at the same time have the effect of some order of them', () =>
    withStore(async ({ store, clock }) => {
      const reached = new Set<string>()
      const isMissing = (): boolean => MUST_REACH.some((state) => !reached.has(state))
      // Where writes run side by side, chance decides which of three comes first, and so how far a run gets.
      for (let seed = 0; seed < 80 || (seed < 400 && isMissing()); seed++) {
        const now = clock.now()
        const choose = chooser(`interleaving ${seed}`)
        const account = await createAccount(store, now)
        const placed = await placeOrder(store, account, [dnsName('a.test'), dnsName('b.test')], now)
        const scene = { store, now, account, ...placed, certificate: certificateRecord(now, placed) }
        const proofs: Model['proofs'] = ['pending', 'pending']
        let model: Model = { accountGone: false, order: 'open', proofs, certificate: 'none', revoked: false }
        // Half of the runs begin on the good path, so that what lies at its end is reached too.
        const goodPath = ['respond-0', 'respond-1', 'succeed-0', 'succeed-1', 'begin', 'complete'] as const
        for (const operation of seed % 2 === 0 ? [] : goodPath.slice(0, choose(7))) {
          assert.equal(await perform(scene, operation), step(model, operation))
        }
        for (let round = 0; round < 6; round++) {
          const operations = times(3, () => OPERATIONS[choose(OPERATIONS.length)] ?? 'begin')
          const answers = await Promise.all(operations.map((operation) => perform(scene, operation)))
          const facts = await observe(scene)
          const before = model
          const explanation = permutations(times(3, (i) => i)).find((order) => {
            const tried = structuredClone(before)
            const fits = order.every((i) => step(tried, operations[i] ?? 'begin') === answers[i])
            if (!fits || JSON.stringify(tried) !== JSON.stringify(facts)) return false
            model = tried
            return true
          })
          assert.ok(
            explanation,
            `seed ${seed}: ${operations.join(', ')} answered ${answers.join(', ')}\nbefore ${JSON.stringify(before)}\nafter ${JSON.stringify(facts)}`,
          )
          reached.add(`order ${facts.order}`).add(`certificate ${facts.certificate}`)
        }
      }
      for (const state of MUST_REACH) assert.ok(reached.has(state), `never reached: ${state}`)
    }))
}
