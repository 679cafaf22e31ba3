import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuthorizationRecord } from '../../../src/store/records.ts'
import { auditEvent, certificateRecord, dnsName, hours, later, orderRecord, problem } from '../../support/records.ts'
import {
  begin,
  createAccount,
  issueCertificate,
  placeOrder,
  prove,
  readyOrder,
  revoke,
  tally,
  type WithStore,
} from './harness.ts'

const ROUNDS = 25

/**
 * Pairs of writes that decide by rows which the other one changes (KF-E06). Each pair must end as if one had come
 * after the other; which came first may differ from round to round.
 */
export function racesContract(withStore: WithStore): void {
  test('KF-E06 two challenges of one authorization that end at once: one counts, the other is discarded', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      for (let round = 0; round < ROUNDS; round++) {
        const { authorizations } = await placeOrder(store, account, [dnsName('a.test')], now)
        const [authorization] = authorizations as readonly [AuthorizationRecord]
        const [first, second] = authorization.challenges
        assert.ok(first && second, 'this needs two challenges')
        const answered = await Promise.all(
          [first, second].map((challenge) =>
            store.validationJobs.enqueue(
              { challenge, authorization },
              {
                now,
                keyAuthorization: challenge.token,
                owner: 'runner 1',
                leaseUntil: later(now, 60_000),
                audit: auditEvent(now, 'challenge.responded'),
              },
            ),
          ),
        )
        assert.deepEqual(tally(answered.map(({ outcome }) => outcome)), { queued: 2 })
        const common = { owner: 'runner 1', now, audit: auditEvent(now, 'x') }
        const outcomes = await Promise.all([
          store.validationJobs.succeed(first.id, { ...common, expiresAt: later(now, hours(8)) }),
          store.validationJobs.fail(second.id, { ...common, error: problem('no'), orderError: problem('no') }),
        ])
        assert.deepEqual(tally(outcomes), { done: 1, discarded: 1 })
        const found = await store.authorizations.find(account.directory, account.id, authorization.id)
        const ended = found?.challenges.filter(({ validatedAt, failedAt }) => validatedAt ?? failedAt)
        assert.equal(ended?.length, 1)
      }
    }))

  test('KF-E06 leases renewed together while their jobs end, are put back or are taken over: nobody fails, and nothing comes back', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      const common = { owner: 'runner 1', now, audit: auditEvent(now, 'x') }
      const error = problem('no')
      for (let round = 0; round < ROUNDS; round++) {
        const names = Array.from({ length: 4 }, (_, i) => dnsName(`${round}-${i}.test`))
        const { authorizations } = await placeOrder(store, account, names, now)
        const [ended, putBack, failed, kept] = authorizations as readonly AuthorizationRecord[]
        assert.ok(ended && putBack && failed && kept)
        // Both challenges of the first end together; where rows are locked one by one, a renewal may meet that in a circle.
        const [first, second] = ended.challenges
        assert.ok(first && second)
        const held = [second, first, ...[putBack, failed, kept].flatMap(({ challenges }) => challenges.slice(0, 1))]
        for (const challenge of held) {
          const authorization = authorizations.find(({ challenges }) => challenges.includes(challenge)) ?? ended
          const facts = { keyAuthorization: 'k', leaseUntil: later(now, 60_000) }
          await store.validationJobs.enqueue({ challenge, authorization }, { ...common, ...facts })
        }
        const ids = held.map(({ id }) => id)
        const [, , putBackId, failedId, keptId] = ids
        assert.ok(putBackId && failedId && keptId)
        const renewal = { owner: 'runner 1', leaseUntil: later(now, 90_000) }
        await Promise.all([
          store.validationJobs.renew(ids, renewal),
          store.validationJobs.succeed(first.id, { ...common, expiresAt: later(now, hours(8)) }),
          store.validationJobs.retry(putBackId, { owner: 'runner 1', runAt: now, error }),
          store.validationJobs.fail(failedId, { ...common, error, orderError: error }),
        ])
        assert.deepEqual(await store.validationJobs.renew(ids, renewal), [keptId])
        const taking = { now: later(now, 89_999), owner: 'runner 2', leaseUntil: later(now, hours(1)), limit: 10 }
        const free = await store.validationJobs.lease(taking)
        assert.deepEqual(
          free.map(({ challenge }) => challenge.id),
          [putBackId],
        )
      }
    }))

  test('KF-E06 an authorization deactivated while an order comes to rely on it: the order fails, or is not made', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      for (let round = 0; round < ROUNDS; round++) {
        const name = dnsName(`${round}.test`)
        const { authorizations } = await readyOrder(store, account, [name], now)
        const [authorization] = authorizations as readonly [AuthorizationRecord]
        const order = orderRecord(account, [name], now)
        const ending = { now, error: problem('gone'), audit: auditEvent(now, 'authorization.deactivated') }
        const [outcome] = await Promise.all([
          store.orders.create(order, {
            authorizationIds: [authorization.id],
            newAuthorizations: [],
            now,
            audit: auditEvent(now, 'order.created'),
          }),
          store.authorizations.deactivate(account.directory, account.id, authorization.id, ending),
        ])
        const made = await store.orders.get(order.id)
        if (outcome === 'stale') assert.equal(made, undefined)
        else assert.notEqual(made?.order.failedAt, undefined, 'an order that nothing can finish was left open')
      }
    }))

  test('KF-E06 an authorization deactivated while its proof fails is one of the two, never both', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      const account = await createAccount(store, now)
      for (let round = 0; round < ROUNDS; round++) {
        const { authorizations } = await placeOrder(store, account, [dnsName('a.test')], now)
        const [authorization] = authorizations as readonly [AuthorizationRecord]
        const { id } = authorization
        const [challenge] = authorization.challenges
        assert.ok(challenge)
        await store.validationJobs.enqueue(
          { challenge, authorization },
          {
            now,
            keyAuthorization: 'k',
            owner: 'runner 1',
            leaseUntil: later(now, 60_000),
            audit: auditEvent(now, 'challenge.responded'),
          },
        )
        const error = problem('no')
        const ending = { now, error, audit: auditEvent(now, 'x') }
        await Promise.all([
          store.validationJobs.fail(challenge.id, { ...ending, owner: 'runner 1', orderError: error }),
          store.authorizations.deactivate(account.directory, account.id, id, ending),
        ])
        const found = await store.authorizations.find(account.directory, account.id, id)
        const failed = found?.challenges.some(({ failedAt }) => failedAt !== undefined)
        assert.notEqual(failed, found?.deactivatedAt !== undefined)
      }
    }))

  test('KF-E06 a certificate revoked twice at once: one revokes, the other finds it revoked', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      for (let round = 0; round < ROUNDS; round++) {
        const certificate = await issueCertificate(store, now)
        const outcomes = await Promise.all([revoke(store, certificate, now, 4), revoke(store, certificate, now, 5)])
        assert.deepEqual(tally(outcomes.map(({ outcome }) => outcome)), { revoked: 1, already: 1 })
      }
    }))

  test('KF-E06 a proof that arrives while its account is deactivated never outlives it', () =>
    withStore(async ({ store, clock }) => {
      const now = clock.now()
      for (let round = 0; round < ROUNDS; round++) {
        const account = await createAccount(store, now)
        const { order, authorizations } = await placeOrder(store, account, [dnsName('a.test')], now)
        const ending = { now, error: problem('gone'), audit: auditEvent(now, 'account.deactivated') }
        await Promise.allSettled([
          prove(store, authorizations[0] as AuthorizationRecord, now),
          store.accounts.deactivate(account.directory, account.id, ending),
        ])
        const certificate = certificateRecord(now, { order })
        assert.equal(await begin(store, certificate, now), 'not-ready')
      }
    }))
}
