import type { ValidationJob } from '../store/records.ts'

/** Proves control off the request path. Jobs are rows (KF-E13); this runs those leased to this process. */
export interface ValidationRunner {
  /** The lease owner name of this process and how long its leases last, for `ValidationJobStore.enqueue`. */
  readonly owner: string
  readonly leaseSeconds: number
  /**
   * Runs a job that was just enqueued and is leased to `owner`; returns at once, and never throws.
   *
   * @param leasedAtMs the monotonic clock before the lease was asked for: by then it had begun at the latest
   */
  run(job: ValidationJob, leasedAtMs: number): void
  /** A client repeated its response: tries a waiting job now. */
  hasten(job: { challengeId: string }): void
  /** Begins to look for jobs left by a dead process or waiting for a retry. */
  start(): void
  /** How full the line of validations is: 0 when idle; from 1 on no new order should be taken (KF-F23). */
  pressure(): number
  /** How long a job that is queued now will wait for its turn, as far as can be told; 0 when it begins at once. */
  waitSeconds(): number
  /** Stops taking jobs, aborts queries under way (their rows stay, and are taken up after the lease), resolves when quiet. */
  stop(): Promise<void>
}
