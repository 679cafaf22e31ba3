import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuthorizationRecord, ValidationJob } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import { auditEvent, dnsName, hours, later, problem } from '../../support/records.ts'
import {
  createAccount,
  eventNames,
  firstChallengeId,
  placeOrder,
  readyOrder,
  respond,
  tally,
  times,
  type WithStore,
} from './harness.ts'

export function validationJobsContract(withStore: WithStore, { forgets }: { forgets: boolean }): void {
  test('KF-A21 20 parallel answers to a challenge queue one job', () =>
    withStore(async ({ store, clock }) => {
      const { authorization, now } = await oneAuthorization(store, clock.now())
      const results = await Promise.all(times(20, () => respond(store, authorization, now)))
      assert.deepEqual(tally(results.map(({ outcome }) => outcome)), { queued: 1, already: 19 })
      assert.equal(await store.validationJobs.count(), 1)
      const queued = results.find((result) => result.outcome === 'queued')
      assert.ok(queued?.outcome === 'queued')
      const { job } = queued
      assert.equal(job.attempts, 0)
      assert.deepEqual(job.startedAt, now)
      assert.equal(job.challenge.id, firstChallengeId(authorization))
      assert.deepEqual(job.challenge.respondedAt, now)
      assert.equal(job.challenge.keyAuthorization, `${job.challenge.token}.thumbprint`)
      const { directory, accountId, id } = authorization
      assert.deepEqual(job.authorization, await store.authorizations.find(directory, accountId, id))
    }))

  test('an answer is refused when the authorization is final or expired, or the account is not valid', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const expired = await oneAuthorization(store, now)
      assert.equal((await respond(store, expired.authorization, expired.authorization.expiresAt)).outcome, 'already')
      const valid = await oneAuthorization(store, now)
      await respond(store, valid.authorization, now)
      await succeed(store, valid.authorization, now)
      const failed = await oneAuthorization(store, now)
      await respond(store, failed.authorization, now)
      await fail(store, failed.authorization, now)
      const deactivated = await oneAuthorization(store, now)
      const { directory, accountId, id } = deactivated.authorization
      const ending = { now, error: problem('gone'), audit: auditEvent(now, 'x') }
      await store.authorizations.deactivate(directory, accountId, id, ending)
      const orphan = await oneAuthorization(store, now)
      await store.accounts.deactivate(directory, orphan.authorization.accountId, ending)
      for (const { authorization } of [valid, failed, deactivated, orphan]) {
        const other = { ...authorization, challenges: authorization.challenges.slice(1) }
        assert.deepEqual(await respond(store, other, now), { outcome: 'already' })
      }
      assert.equal(await store.validationJobs.count(), 0)
    }))

  test('KF-A21 success and failure race: one ends the job, the other is discarded', () =>
    withStore(async ({ store, clock }) => {
      for (const first of ['succeed', 'fail'] as const) {
        const { authorization, now, order } = await oneAuthorization(store, clock.now())
        await respond(store, authorization, now)
        const both = { succeed: () => succeed(store, authorization, now), fail: () => fail(store, authorization, now) }
        const second = first === 'succeed' ? 'fail' : 'succeed'
        const outcomes = await Promise.all([both[first](), both[second]()])
        assert.deepEqual(outcomes.toSorted(), ['discarded', 'done'])
        const winner = outcomes[0] === 'done' ? first : second
        const [stored] = (await store.orders.get(order.id))?.authorizations ?? []
        const [challenge] = stored?.challenges ?? []
        assert.deepEqual(challenge?.validatedAt, winner === 'succeed' ? now : undefined)
        assert.deepEqual(challenge?.failedAt, winner === 'fail' ? now : undefined)
        assert.equal(await store.validationJobs.count(), 0)
      }
    }))

  test('success makes the proof last until the given instant and clears the errors of attempts', () =>
    withStore(async ({ store, clock }) => {
      const { authorization, now, order } = await oneAuthorization(store, clock.now())
      await respond(store, authorization, now)
      const challengeId = firstChallengeId(authorization)
      await store.validationJobs.retry(challengeId, { owner: 'runner 1', runAt: now, error: problem('not yet') })
      assert.deepEqual((await stored(store, authorization))?.challenges[0]?.error, problem('not yet'))
      assert.equal((await lease(store, 'runner 1', now)).length, 1)
      assert.equal(await succeed(store, authorization, now), 'done')
      const found = await stored(store, authorization)
      assert.deepEqual(found?.expiresAt, later(now, hours(8)))
      assert.equal(found?.challenges[0]?.error, undefined)
      assert.equal((await store.orders.get(order.id))?.order.failedAt, undefined)
      assert.deepEqual(await eventNames(store, challengeId), ['authorization.valid'])
    }))

  test('failure fails the unfinished orders that hold the authorization, and no others', () =>
    withStore(async ({ store, clock }) => {
      const { account, authorization, now, order } = await oneAuthorization(store, clock.now())
      const bystander = await readyOrder(store, account, [dnsName('b.test')], now)
      await respond(store, authorization, now)
      assert.equal(await fail(store, authorization, now), 'done')
      const failed = await store.orders.get(order.id)
      assert.deepEqual(failed?.order.failedAt, now)
      assert.deepEqual(failed?.order.error, problem('order failed'))
      assert.deepEqual(failed?.authorizations[0]?.challenges[0]?.error, problem('challenge failed'))
      assert.equal((await store.orders.get(bystander.order.id))?.order.failedAt, undefined)
    }))

  test('a result is discarded when the authorization expired or was answered another way meanwhile', () =>
    withStore(async ({ store, clock }) => {
      const late = await oneAuthorization(store, clock.now())
      await respond(store, late.authorization, late.now)
      assert.equal(await succeed(store, late.authorization, late.authorization.expiresAt), 'discarded')
      assert.equal(await store.validationJobs.count(), 0, 'and the job is over')

      const { authorization, now } = await oneAuthorization(store, clock.now())
      const second = { ...authorization, challenges: authorization.challenges.slice(1) }
      await respond(store, authorization, now)
      await respond(store, second, now)
      assert.equal(await store.validationJobs.count(), 2)
      assert.equal(await succeed(store, second, now), 'done')
      assert.equal(await store.validationJobs.count(), 0, 'the other proof is no longer needed')
      assert.equal(await fail(store, authorization, now), 'discarded')
      assert.equal((await stored(store, authorization))?.challenges[0]?.failedAt, undefined)
    }))

  test('KF-E13 a job outlives the process: after its lease another owner takes it, once', () =>
    withStore(async ({ store, clock }) => {
      const { authorization, now } = await oneAuthorization(store, clock.now())
      await respond(store, authorization, now)
      assert.deepEqual(await lease(store, 'runner 2', later(now, 59_999)), [])
      const after = later(now, 60_000)
      const taken = await Promise.all(times(5, (i) => lease(store, `runner ${i + 2}`, after)))
      assert.deepEqual(taken.map((jobs) => jobs.length).toSorted(), [0, 0, 0, 0, 1])
      assert.equal(taken.flat()[0]?.challenge.id, firstChallengeId(authorization))
    }))

  // An engine that forgets at its end has no restart to survive.
  if (!forgets)
    test('KF-E13 jobs are found again after a restart', () =>
      withStore(async ({ store, clock, reopen }) => {
        assert.ok(reopen)
        const { authorization, now } = await oneAuthorization(store, clock.now())
        await respond(store, authorization, now)
        const jobs = await lease(await reopen(), 'runner 2', later(now, 60_000))
        assert.deepEqual(
          jobs.map(({ challenge }) => challenge.id),
          [firstChallengeId(authorization)],
        )
      }))

  test('a retry counts the attempt and waits for its time; hasten makes it due now', () =>
    withStore(async ({ store, clock }) => {
      const { authorization, now } = await oneAuthorization(store, clock.now())
      await respond(store, authorization, now)
      const challengeId = firstChallengeId(authorization)
      const runAt = later(now, 5000)
      await store.validationJobs.retry(challengeId, { owner: 'runner 1', runAt, error: problem('not yet') })
      assert.deepEqual(await lease(store, 'runner 1', later(now, 4999)), [])
      await store.validationJobs.hasten(challengeId, later(now, 1000))
      const [job] = await lease(store, 'runner 1', later(now, 1000))
      assert.equal(job?.attempts, 1)
      assert.deepEqual(job?.startedAt, now)
      await store.validationJobs.hasten(challengeId, later(now, 2000))
      assert.deepEqual(await lease(store, 'runner 2', later(now, 3000)), [], 'a job under way is left alone')
    }))

  test('KF-E13 a slow worker that lost its lease neither proves nor fails a challenge; who holds the lease now does', () =>
    withStore(async ({ store, clock }) => {
      const { authorization, now, order } = await oneAuthorization(store, clock.now())
      await respond(store, authorization, now)
      const after = later(now, 60_000)
      assert.equal((await lease(store, 'runner 2', after)).length, 1)
      assert.equal(await fail(store, authorization, after, 'runner 1'), 'discarded')
      assert.equal(await succeed(store, authorization, after, 'runner 1'), 'discarded')
      const [challenge] = (await stored(store, authorization))?.challenges ?? []
      assert.equal(challenge?.failedAt ?? challenge?.validatedAt, undefined)
      assert.equal((await store.orders.get(order.id))?.order.failedAt, undefined)
      assert.equal(await store.validationJobs.count(), 1, 'the job is still there')
      assert.equal(await succeed(store, authorization, after, 'runner 2'), 'done')
    }))

  test('KF-E13 leases are renewed together, only by who has them, and only of jobs that are there', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const names = times(6, (i) => dnsName(`${i}.test`))
      const { authorizations } = await placeOrder(store, account, names, now)
      const [mine, alsoMine, lost, putBack, ended, never] = authorizations
      assert.ok(mine && alsoMine && lost && putBack && ended && never)
      for (const one of [mine, alsoMine, putBack, ended]) await respond(store, one, now)
      await respond(store, lost, now, 'runner 2')
      await succeed(store, ended, now)
      const options = { owner: 'runner 1', runAt: later(now, 1000), error: problem('not yet') }
      await store.validationJobs.retry(firstChallengeId(putBack), options)

      const renewal = { owner: 'runner 1', leaseUntil: later(now, 90_000) }
      assert.deepEqual(await store.validationJobs.renew([], renewal), [])
      const kept = await store.validationJobs.renew(authorizations.map(firstChallengeId), renewal)
      assert.deepEqual(kept.toSorted(), [mine, alsoMine].map(firstChallengeId).toSorted())
      const free = await lease(store, 'runner 3', later(now, 89_999))
      assert.deepEqual(
        free.map(({ challenge }) => challenge.id).toSorted(),
        [lost, putBack].map(firstChallengeId).toSorted(),
      )
      assert.equal((await lease(store, 'runner 3', later(now, 90_000))).length, 2)
      assert.deepEqual(await store.validationJobs.renew(kept, renewal), [], 'they are of runner 3 now')
      assert.equal(await succeed(store, mine, now), 'discarded')
    }))

  test('KF-E13 an owner whose lease ended, and that nobody else took, may renew it; of renewal and taking over one wins', () =>
    withStore(async ({ store, clock }) => {
      const { authorization, now } = await oneAuthorization(store, clock.now())
      await respond(store, authorization, now)
      const id = firstChallengeId(authorization)
      const after = later(now, 60_000)
      assert.deepEqual(await store.validationJobs.renew([id], { owner: 'runner 1', leaseUntil: later(after, 1000) }), [
        id,
      ])
      for (let round = 1; round <= 10; round++) {
        const at = later(now, 60_000 + round * 120_000)
        const [kept, taken] = await Promise.all([
          store.validationJobs.renew([id], { owner: 'runner 1', leaseUntil: later(at, 60_000) }),
          lease(store, 'runner 2', at),
        ])
        const owner = kept.length === 1 && taken.length === 0 ? 'runner 1' : 'runner 2'
        assert.equal(taken.length, owner === 'runner 2' ? 1 : 0)
        // Whoever has it can renew it, and only they.
        for (const one of ['runner 1', 'runner 2'])
          assert.equal(
            (await store.validationJobs.renew([id], { owner: one, leaseUntil: at })).length,
            one === owner ? 1 : 0,
          )
        if (owner === 'runner 1') continue
        await store.validationJobs.release([id], 'runner 2')
        const back = { now: at, owner: 'runner 1', leaseUntil: at, limit: 1 }
        assert.equal((await store.validationJobs.lease(back)).length, 1)
      }
    }))

  test('more leases than fit one statement are renewed all the same', () =>
    withStore(async ({ store, clock }) => {
      const { authorization, now } = await oneAuthorization(store, clock.now())
      await respond(store, authorization, now)
      const held = firstChallengeId(authorization)
      const others = times(1500, (i) => `chl_nobody_${i}` as typeof held)
      const renewal = { owner: 'runner 1', leaseUntil: later(now, 90_000) }
      assert.deepEqual(await store.validationJobs.renew([...others, held], renewal), [held])
      assert.deepEqual(await lease(store, 'runner 2', later(now, 89_999)), [])
    }))

  test("KF-E13 an owner that stops gives its leases back, and nobody else's", () =>
    withStore(async ({ store, clock }) => {
      const { authorization, now } = await oneAuthorization(store, clock.now())
      await respond(store, authorization, now)
      const other = await oneAuthorization(store, now)
      await respond(store, other.authorization, now, 'runner 2')
      const held = [authorization, other.authorization].map(firstChallengeId)
      await store.validationJobs.release([], 'runner 1')
      assert.deepEqual(await lease(store, 'runner 3', now), [])
      await store.validationJobs.release(held, 'runner 1')
      const [job, ...more] = await lease(store, 'runner 3', now)
      assert.equal(job?.authorization.id, authorization.id)
      assert.equal(job.attempts, 0, 'what was broken off is no attempt')
      assert.deepEqual(more, [])
    }))

  test('a retry by an owner that lost its lease is ignored', () =>
    withStore(async ({ store, clock }) => {
      const { authorization, now } = await oneAuthorization(store, clock.now())
      await respond(store, authorization, now)
      const after = later(now, 60_000)
      const [job] = await lease(store, 'runner 2', after)
      assert.ok(job)
      const challengeId = firstChallengeId(authorization)
      await store.validationJobs.retry(challengeId, { owner: 'runner 1', runAt: after, error: problem('stale') })
      assert.deepEqual(await lease(store, 'runner 3', after), [])
      assert.equal((await stored(store, authorization))?.challenges[0]?.error, undefined)
      await store.validationJobs.retry(challengeId, { owner: 'runner 2', runAt: after, error: problem('real') })
      assert.equal((await lease(store, 'runner 3', after))[0]?.attempts, 1)
    }))

  test('leases are taken up to the limit, those due first first: 0, 1, 2, many', () =>
    withStore(async ({ store, clock }) => {
      const start = clock.now()
      assert.deepEqual(await lease(store, 'runner 2', start), [])
      const account = await createAccount(store, start)
      const names = times(7, (i) => dnsName(`${i}.test`))
      const { authorizations } = await placeOrder(store, account, names, start)
      for (const [i, authorization] of authorizations.entries()) await respond(store, authorization, later(start, i))
      const after = later(start, hours(1))
      const taken: string[][] = []
      for (const limit of [1, 2, 10]) {
        const options = { now: after, owner: 'runner 2', leaseUntil: later(after, 60_000), limit }
        taken.push((await store.validationJobs.lease(options)).map(({ challenge }) => challenge.id))
      }
      assert.deepEqual(
        taken.map((ids) => ids.length),
        [1, 2, 4],
      )
      assert.deepEqual(taken.flat(), authorizations.map(firstChallengeId))
      assert.equal(await store.validationJobs.count(), 7)
    }))
}

async function oneAuthorization(store: Store, now: Date) {
  const account = await createAccount(store, now)
  const { order, authorizations } = await placeOrder(store, account, [dnsName('a.test')], now)
  const [authorization] = authorizations
  assert.ok(authorization)
  return { account, authorization, order, now }
}

function succeed(store: Store, authorization: AuthorizationRecord, now: Date, owner = 'runner 1') {
  const id = firstChallengeId(authorization)
  const audit = auditEvent(now, 'authorization.valid', { requestId: id })
  return store.validationJobs.succeed(id, { owner, now, expiresAt: later(now, hours(8)), audit })
}

function fail(store: Store, authorization: AuthorizationRecord, now: Date, owner = 'runner 1') {
  const audit = auditEvent(now, 'x')
  const errors = { error: problem('challenge failed'), orderError: problem('order failed') }
  return store.validationJobs.fail(firstChallengeId(authorization), { owner, now, ...errors, audit })
}

function lease(store: Store, owner: string, now: Date): Promise<ValidationJob[]> {
  return store.validationJobs.lease({ now, owner, leaseUntil: later(now, 60_000), limit: 100 })
}

function stored(store: Store, { directory, accountId, id }: AuthorizationRecord) {
  return store.authorizations.find(directory, accountId, id)
}
