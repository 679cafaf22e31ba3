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
