import type { Issuer } from '../issuance/issuer.ts'
import type { Clock } from '../lib/clock.ts'
import type { ClockGuard } from '../lib/clock-guard.ts'
import type { Random } from '../lib/random.ts'
import type { Limits } from '../limits/limits.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Policy, Requester } from '../policy/decision.ts'
import type { Store } from '../store/store.ts'

export interface EnrollmentDependencies {
  readonly store: Pick<Store, 'accounts' | 'orders' | 'certificates' | 'blockedKeys' | 'decisions'>
  /** By name; a function is asked each time, so that issuers can be added to a running service. */
  readonly issuers: ReadonlyMap<string, Issuer> | (() => ReadonlyMap<string, Issuer>)
  readonly policyFor: (requester: Requester) => Policy
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Metrics
  /** Told of every certificate; absent: nothing counts them. */
  readonly limits?: Pick<Limits, 'namesOf' | 'issued'>
  /** Stops signing while the wall clock cannot be trusted. */
  readonly clockGuard: ClockGuard
  /** Orders at the signer or on their way to and from it, at most (KF-F23); default 256. */
  readonly maxUnderWay?: number
}

export function issuersOf(dependencies: Pick<EnrollmentDependencies, 'issuers'>): ReadonlyMap<string, Issuer> {
  return typeof dependencies.issuers === 'function' ? dependencies.issuers() : dependencies.issuers
}
