import type { TestContext } from 'node:test'
import { createEnrollment } from '../../src/enrollment/create-enrollment.ts'
import type { EnrollmentDependencies } from '../../src/enrollment/dependencies.ts'
import type { Enrollment, EnrollmentRequest } from '../../src/enrollment/enrollment.ts'
import type { Issuer } from '../../src/issuance/issuer.ts'
import { createClockGuard } from '../../src/lib/clock-guard.ts'
import type { Identifier } from '../../src/lib/identifier.ts'
import { type AccountId, newId, type OrderId } from '../../src/lib/ids.ts'
import type { Policy } from '../../src/policy/decision.ts'
import { createPolicy } from '../../src/policy/policy.ts'
import type { AccountRecord, OrderRecord, ProfileSnapshot } from '../../src/store/records.ts'
import type { Store } from '../../src/store/store.ts'
import { parseSubjectPublicKey, type SubjectPublicKey } from '../../src/x509/spki.ts'
import { FakeClock } from './fake-clock.ts'
import { PROFILE } from './order-facts.ts'
import { RecordingLogger, RecordingMetrics } from './recorders.ts'
import { SeededRandom } from './seeded-random.ts'
import { openTestStore, type TestStore } from './store.ts'
import { makeTestAuthority, type TestAuthority, type TestAuthorityOptions } from './test-authority.ts'
import { generateTestKey } from './test-keys.ts'

export const NAMES: readonly Identifier[] = [{ type: 'dns', value: 'www.corp.test' }]

/** Allows what the test authority's name constraints do. */
export const TEST_POLICY: Policy = createPolicy({
  name: 'default',
  config: {
    allow: { dns: ['**.test', '**.internal'], ip: ['10.0.0.0/8', 'fd00::/8'], uri: [], email: [], wildcards: true },
    deny: { dns: [], ip: [], uri: [], email: [] },
    keys: {
      algorithms: ['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519'],
      minRsaBits: 2048,
      maxRsaBits: 4096,
      blocklistFiles: [],
    },
  },
  profiles: new Map([['server', PROFILE]]),
})

/** A new public key to certify, as a front end hands it on. */
export function freshPublicKey(): SubjectPublicKey {
  return parseSubjectPublicKey(generateTestKey().spkiDer)
}

/** Everything from a ready order to a certificate, on the real store and with real keys; time and randomness are the test's. */
export class EnrollmentWorld {
  readonly clock: FakeClock
  readonly random: SeededRandom
  readonly log = new RecordingLogger()
  readonly metrics = new RecordingMetrics()
  readonly testStore: TestStore
  readonly store: Store
  readonly authority: TestAuthority
  readonly account: AccountRecord

  private constructor(parts: {
    clock: FakeClock
    random: SeededRandom
    testStore: TestStore
    authority: TestAuthority
    account: AccountRecord
  }) {
    this.clock = parts.clock
    this.random = parts.random
    this.testStore = parts.testStore
    this.store = parts.testStore.store
    this.authority = parts.authority
    this.account = parts.account
  }

  static async open(t: TestContext, options: TestAuthorityOptions = {}): Promise<EnrollmentWorld> {
    const clock = new FakeClock()
    const random = new SeededRandom(t.name)
    const testStore = await openTestStore(clock)
    t.after(() => testStore.cleanup())
    const authority = await makeTestAuthority({ now: clock.now(), ...options })
    const account = accountOf(newId(random, 'account', clock.now()), clock.now())
    await testStore.store.accounts.create(account, {
      now: clock.now(),
      audit: { at: clock.now(), event: 'account.created', data: {} },
    })
    return new EnrollmentWorld({ clock, random, testStore, authority, account })
  }

  get issuer(): Issuer {
    return this.authority.issuer
  }

  /** The room under test; parts can be replaced, for instance by ones that fail. */
  enrollment(replaced: Partial<EnrollmentDependencies> = {}): Enrollment {
    return createEnrollment({
      store: this.store,
      issuers: new Map([[this.issuer.name, this.issuer]]),
      policyFor: () => TEST_POLICY,
      clock: this.clock,
      random: this.random,
      log: this.log,
      metrics: this.metrics,
      clockGuard: createClockGuard({ clock: this.clock, toleranceSeconds: 60 }),
      ...replaced,
    })
  }

  /** Stores an order whose every authorization is valid, and the request that finalizes it. */
  async readyOrder(
    options: {
      identifiers?: readonly Identifier[]
      profile?: ProfileSnapshot
      publicKey?: SubjectPublicKey
      /** Where it is stored, when that is another object than this world began with. */
      store?: Store
    } = {},
  ): Promise<EnrollmentRequest> {
    const now = this.clock.now()
    const identifiers = options.identifiers ?? NAMES
    const profile = options.profile ?? PROFILE
    const authorizations = identifiers.map((identifier) => {
      const id = newId(this.random, 'authorization', now)
      const wildcard = identifier.value.startsWith('*.')
      return {
        id,
        directory: this.account.directory,
        accountId: this.account.id,
        identifier: wildcard ? ({ type: 'dns', value: identifier.value.slice(2) } as const) : identifier,
        wildcard,
        profile: profile.name,
        createdAt: now,
        expiresAt: new Date(now.getTime() + 86_400_000),
        challenges: [
          {
            id: newId(this.random, 'challenge', now),
            authorizationId: id,
            type: 'dns-01' as const,
            token: 't'.repeat(43),
            respondedAt: now,
            keyAuthorization: 'x.y',
            validatedAt: now,
          },
        ],
      }
    })
    const order: OrderRecord = {
      id: newId(this.random, 'order', now),
      directory: this.account.directory,
      accountId: this.account.id,
      identifiers,
      profile,
      createdAt: now,
      expiresAt: new Date(now.getTime() + 7 * 86_400_000),
    }
    const outcome = await (options.store ?? this.store).orders.create(order, {
      authorizationIds: authorizations.map(({ id }) => id),
      newAuthorizations: authorizations,
      now,
      audit: { at: now, event: 'order.created', orderId: order.id, data: {} },
    })
    if (outcome !== 'created') throw new Error(`the test order was not created: ${outcome}`)
    return {
      requestId: newId(this.random, 'request', now),
      requester: { kind: 'account', directory: order.directory, accountId: order.accountId },
      identifiers,
      publicKey: options.publicKey ?? freshPublicKey(),
      profile,
      order: { id: order.id, directory: order.directory, accountId: order.accountId, csrSha256: 'ab'.repeat(32) },
    }
  }

  async order(id: OrderId | string): Promise<OrderRecord> {
    const found = await this.store.orders.get(id as OrderId)
    if (found === undefined) throw new Error(`order ${id} is not in the store`)
    return found.order
  }
}

function accountOf(id: AccountId, createdAt: Date): AccountRecord {
  return {
    id,
    directory: 'default',
    jwk: { kty: 'EC', crv: 'P-256', x: id, y: id },
    thumbprint: `thumbprint of ${id}`,
    spkiSha256: 'cd'.repeat(32),
    contact: [],
    createdAt,
  }
}
