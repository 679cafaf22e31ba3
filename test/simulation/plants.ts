import { X509Certificate } from 'node:crypto'
import type { Enrollment } from '../../src/enrollment/enrollment.ts'
import type { Policy } from '../../src/policy/decision.ts'
import type { CertificateRecord, CrlRecord } from '../../src/store/records.ts'
import type { CertificateStore, CrlStore, RetentionPolicy, Store } from '../../src/store/store.ts'
import type { ValidationRunnerDeps } from '../../src/validation/job-runner.ts'
import type { Process } from './machine.ts'

/** A fault put in on purpose, to see that the simulation finds it. */
export interface Plant {
  readonly store?: (store: Store, process: Process) => Store
  readonly enrollment?: (enrollment: Enrollment) => Enrollment
  readonly policy?: (policy: Policy) => Policy
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

type BeginOptions = Parameters<CertificateStore['begin']>[1]
type BeginOutcome = ReturnType<CertificateStore['begin']>

/** The store of certificates with another way to make a reservation. */
function beginning(
  { certificates }: Store,
  begin: (honest: (options: BeginOptions) => BeginOutcome, options: BeginOptions) => BeginOutcome,
): CertificateStore {
  return replaced(certificates, {
    begin: (certificate, options) => begin((changed) => certificates.begin(certificate, changed), options),
  })
}

/** The store that gives clients another certificate than theirs, where there is one to `choose` among all given so far. */
function delivering(
  store: Store,
  choose: (given: readonly CertificateRecord[], due: CertificateRecord) => CertificateRecord | undefined,
): Store {
  const given: CertificateRecord[] = []
  return replaced(store, {
    certificates: replaced(store.certificates, {
      findForAccount: async (...asked) => {
        const due = await store.certificates.findForAccount(...asked)
        if (due === undefined) return undefined
        const other = choose(given, due)
        given.push(due)
        return other ?? due
      },
    }),
  })
}

function namesOf({ certificateDer }: CertificateRecord): string | undefined {
  return certificateDer === undefined ? undefined : new X509Certificate(certificateDer).subjectAltName
}

/** The store with other lists than those that were made. */
function listing(store: Store, change: (crls: CrlStore) => Partial<CrlStore>): Store {
  return replaced(store, { crls: replaced(store.crls, change(store.crls)) })
}

/** The store with other times of retention. */
function keeping(store: Store, changed: Partial<RetentionPolicy>): Store {
  return replaced(store, {
    retention: replaced(store.retention, {
      sweep: (policy, options) => store.retention.sweep({ ...policy, ...changed }, options),
    }),
  })
}

const DAY_MS = 86_400_000
/** Between two writes that should be one: long enough for a kill to come by. */
const GAP_MS = 20_000

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
  /** Reserves, and keeps no decision (KF-E01). */
  'no-decision': {
    store: (store) =>
      replaced(store, { certificates: beginning(store, (begin, { decision: _, ...rest }) => begin(rest)) }),
  },
  /** Keeps the decision once the reservation is made, in a write of its own. */
  'decision-after': {
    store: (store, process) =>
      replaced(store, {
        certificates: beginning(store, async (begin, { decision, ...rest }) => {
          const outcome = await begin(rest)
          if (outcome === 'begun' && decision !== undefined) {
            await process.clock.sleep(GAP_MS)
            await store.decisions.append(decision, rest.audit)
          }
          return outcome
        }),
      }),
  },
  /** Keeps the decision before the reservation is made, in a write of its own. */
  'decision-before': {
    store: (store, process) =>
      replaced(store, {
        certificates: beginning(store, async (begin, { decision, ...rest }) => {
          if (decision !== undefined) {
            await store.decisions.append(decision, rest.audit)
            await process.clock.sleep(GAP_MS)
          }
          return begin(rest)
        }),
      }),
  },
  /** Refuses, and keeps nothing of why (CQ-F10). */
  'no-refusal': {
    store: (store) => replaced(store, { decisions: replaced(store.decisions, { append: async () => undefined }) }),
  },
  /** Decisions go before their time. */
  'early-decisions': { store: (store) => keeping(store, { decisionsSeconds: 3_600 }) },
  /** Decisions stay for ever. */
  'late-decisions': { store: (store) => keeping(store, { decisionsSeconds: 3_650 * 86_400 }) },
  /** Rules that ask how often are told that there was nothing. */
  'blind-often': {
    store: (store) =>
      replaced(store, {
        issuedNames: { look: async (asked) => ({ position: (await store.issuedNames.look(asked)).position }) },
      }),
  },
  /** Names are not remembered with the reservation. */
  'no-names': {
    store: (store) =>
      replaced(store, { certificates: beginning(store, (begin, { names: _, ...rest }) => begin(rest)) }),
  },
  /** Names are forgotten too soon, and what else says itself when it ends; all else is kept as long as it should. */
  'early-names': {
    store: (store) =>
      replaced(store, {
        retention: replaced(store.retention, {
          sweep: (policy, { now, batch }) => {
            const aheadSeconds = 100 * 86_400
            const later = Object.fromEntries(
              Object.entries(policy).map(([kind, seconds]) => [kind, seconds + aheadSeconds]),
            ) as unknown as RetentionPolicy
            return store.retention.sweep(later, { now: new Date(now.getTime() + aheadSeconds * 1000), batch })
          },
        }),
      }),
  },
  /** Allows every name, as often as rules allow. */
  'no-policy': {
    policy: (policy) => ({
      decide: async (request) => {
        const decision = await policy.decide(request)
        const isForNames = decision.reasons.every(({ code }) => code === 'name-denied' || code === 'name-not-allowed')
        return isForNames ? { outcome: 'allow', reasons: [] } : decision
      },
    }),
  },
  /** Says that an account is closed, and leaves it open. */
  'open-account': {
    store: (store) =>
      replaced(store, {
        accounts: replaced(store.accounts, { deactivate: (directory, id) => store.accounts.find(directory, id) }),
      }),
  },
  /** Revokes for a compromised key, and does not block the key (KF-C13). */
  'open-key': {
    store: (store) =>
      replaced(store, {
        certificates: replaced(store.certificates, {
          revoke: (key, options) => store.certificates.revoke(key, { ...options, reason: 4 }),
        }),
      }),
  },
  /** Another client's certificate. */
  'strange-certificate': {
    store: (store) => delivering(store, (given, due) => given.find((one) => namesOf(one) !== namesOf(due))),
  },
  /** The certificate of an order before, with its key. */
  'former-certificate': {
    store: (store) => delivering(store, (given, due) => given.find((one) => namesOf(one) === namesOf(due))),
  },
  /** A list with somebody on it whom nobody revoked. */
  'crl-of-strangers': {
    store: (store) =>
      listing(store, (crls) => ({
        revokedEntries: async (issuerId, now) => {
          const { entries, upTo } = await crls.revokedEntries(issuerId, now)
          return { entries: [...entries, { serial: '7f00', revokedAt: now, reason: 0 }], upTo }
        },
      })),
  },
  /** A list whose signature was damaged on its way. */
  'damaged-crl': {
    store: (store) =>
      listing(store, (crls) => ({
        latest: async (issuerId) => {
          const crl = await crls.latest(issuerId)
          if (crl === undefined) return undefined
          const crlDer = Buffer.from(crl.crlDer)
          crlDer[crlDer.length - 1] = (crlDer.at(-1) ?? 0) ^ 1
          return { ...crl, crlDer }
        },
      })),
  },
  /** Every other look finds the list before the last. */
  'former-crl': {
    store: (store) => {
      const seen: CrlRecord[] = []
      let looks = 0
      return listing(store, (crls) => ({
        latest: async (issuerId) => {
          const crl = await crls.latest(issuerId)
          if (crl !== undefined && crl.number !== seen.at(-1)?.number) seen.push(crl)
          return (looks++ % 2 === 0 ? seen.at(-2) : undefined) ?? crl
        },
      }))
    },
  },
  /** A publisher that never hears that a list grows old. */
  'old-crl': {
    store: (store) => {
      let isMade = false
      return listing(store, (crls) => ({
        lease: async (...asked) => {
          if (isMade) return false
          isMade = await crls.lease(...asked)
          return isMade
        },
      }))
    },
  },
  /** The right to build a list is taken once more when it is made, and never given back (KF-D05). */
  'kept-lease': {
    store: (store) =>
      listing(store, (crls) => ({
        publish: async (crl, upTo, audit) => {
          const outcome = await crls.publish(crl, upTo, audit)
          const leaseUntil = new Date(crl.thisUpdate.getTime() + 1)
          await crls.lease(crl.issuerId, { owner: 'nobody', now: crl.thisUpdate, leaseUntil })
          return outcome
        },
      })),
  },
  /** Nobody looks for proofs that are to be tried again. */
  'no-retries': {
    store: (store) => replaced(store, { validationJobs: replaced(store.validationJobs, { lease: async () => [] }) }),
  },
  /** From some time on, nobody gets a certificate. */
  'no-renewal': {
    enrollment: (enrollment) => {
      let issued = 0
      return replaced(enrollment, {
        enroll: async (request) => {
          if (request.requester.kind === 'account' && ++issued > 3) return { outcome: 'not-ready' }
          return enrollment.enroll(request)
        },
      })
    },
  },
  /** Whoever is refused sees the server fail. */
  'failing-refusal': {
    store: (store) =>
      replaced(store, {
        decisions: replaced(store.decisions, { append: () => Promise.reject(new Error('planted')) }),
      }),
  },
  /** Cannot start. */
  'no-start': { store: (store) => replaced(store, { takeOver: () => Promise.reject(new Error('planted')) }) },
  /** Waits for something after its end. */
  'kept-timer': {
    store: (store, process) =>
      replaced(store, {
        close: () => {
          void process.clock.sleep(365 * DAY_MS)
          return store.close()
        },
      }),
  },
} as const satisfies Record<string, Plant>

export type PlantName = keyof typeof PLANTS
