import type { Enrollment } from '../../src/enrollment/enrollment.ts'
import type { Store } from '../../src/store/store.ts'
import type { ValidationRunnerDeps } from '../../src/validation/job-runner.ts'
import type { Process } from './machine.ts'

/** A fault put in on purpose, to see that the simulation finds it. */
export interface Plant {
  readonly store?: (store: Store, process: Process) => Store
  readonly enrollment?: (enrollment: Enrollment) => Enrollment
  readonly prover?: Pick<ValidationRunnerDeps, 'prover'>
  /** The disk answers before it has written: what was committed last is lost at a crash. */
  readonly forgetfulDisk?: boolean
}

/** The same thing with some of its methods replaced. */
function replaced<T extends object>(whole: T, changed: Partial<T>): T {
  return new Proxy(whole, {
    get(target, name) {
      const value: unknown = Reflect.get(Object.hasOwn(changed, name) ? changed : target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const DAY_MS = 86_400_000

export const PLANTS = {
  none: {},
  /** A database that acknowledges before its bytes are on the disk (KF-E02). */
  'lost-commits': { forgetfulDisk: true },
  /** Retention that counts wrongly, and takes what is still needed (KF-E10). */
  'early-retention': {
    store: (store) =>
      replaced(store, {
        retention: replaced(store.retention, {
          sweep: (policy, { now, batch }) =>
            store.retention.sweep(policy, { now: new Date(now.getTime() + 30 * DAY_MS), batch }),
        }),
      }),
  },
  /** Retention that forgets to run (KF-E10). */
  'no-retention': {
    store: (store) => replaced(store, { retention: replaced(store.retention, { sweep: async () => 0 }) }),
  },
  /** A list that leaves out one of those it should name (KF-D02). */
  'incomplete-crl': {
    store: (store) =>
      replaced(store, {
        crls: replaced(store.crls, {
          revokedEntries: async (issuerId, now) => {
            const { entries, upTo } = await store.crls.revokedEntries(issuerId, now)
            return { entries: entries.slice(1), upTo }
          },
        }),
      }),
  },
  /** A publisher that does not hear of revocations, and makes a list only when the last one grows old. */
  'late-crl': {
    store: (store) => replaced(store, { crls: replaced(store.crls, { pendingSince: async () => undefined }) }),
  },
  /** Nonces that can be used twice (KF-B06). */
  'nonce-twice': {
    store: (store) => replaced(store, { nonces: replaced(store.nonces, { spend: async () => true }) }),
  },
  /** Signs before the intent is in the store (KF-E01). */
  'no-intent': {
    store: (store) => replaced(store, { certificates: replaced(store.certificates, { begin: async () => 'begun' }) }),
  },
  /** Believes everybody. */
  'no-proof': { prover: { prover: { attemptMs: 20_000, prove: async () => undefined } } },
  /** Leaves what a crash interrupted as it is (KF-E13). */
  'no-resume': {
    enrollment: (enrollment) => replaced(enrollment, { resume: async () => 0 }),
  },
} as const satisfies Record<string, Plant>

export type PlantName = keyof typeof PLANTS
