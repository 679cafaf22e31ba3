import type { Config } from '../config/schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { ChallengeId } from '../lib/ids.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { PauseRule } from '../store/limit-store.ts'
import type { AuthorizationRecord, StoredProblem, ValidationJob } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { OwnListener } from './egress.ts'
import { ValidationFailure } from './failure.ts'
import { LEASE_SECONDS, LeaseKeeper } from './lease-keeper.ts'
import { challengeProblem, orderProblem, toFailure, validationAudit } from './outcome.ts'
import { answeredFrom, newEvidence } from './probe.ts'
import { createProver, type Prover, type ProverTimeouts, type ValidationNetwork } from './prover.ts'
import { nextAttempt } from './retry.ts'
import type { ValidationRunner } from './runner.ts'
import { type HeldJob, Schedule, SLOW_MS } from './schedule.ts'

export interface ValidationRunnerDeps {
  readonly store: Pick<Store, 'validationJobs'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Metrics
  readonly config: Config['validation']
  /** How long a proof lasts. */
  readonly validAuthorizationSeconds: number
  /** A wait before each attempt, to test clients; 0 for none. */
  readonly chaosDelaySeconds: number
  /** Jobs not ended, in the table, from which on no new order should be taken; default 20,000. */
  readonly maxBacklog?: number
  /** Never connected to; a function where ports are known only later. */
  readonly ownListeners: readonly OwnListener[] | (() => readonly OwnListener[])
  /** What an order's error says when an authorization of it fails; default: which name, and why. */
  readonly orderError?: (authorization: AuthorizationRecord, failure: ValidationFailure) => StoredProblem
  /** Told when a challenge has its final state in the store. Must not throw. */
  readonly onEnd?: (job: ValidationJob, outcome: 'valid' | 'invalid' | 'discarded') => void
  /** When names are paused whose proofs fail; absent: never. */
  readonly pause?: PauseRule | undefined
  readonly timeouts?: Partial<ProverTimeouts>
  /** Default: sockets of this machine. */
  readonly network?: ValidationNetwork
  /** How often the table is looked at for jobs of a dead process, in milliseconds; 2 s by default. */
  readonly pollMs?: number
  /** Default: the real one, made from `config`. */
  readonly prover?: Prover
}

/** The lease of an attempt that takes this much longer than one can is renewed no more. */
const OVERDUE_MS = 40_000
const POLL_MS = 2_000
/** Jobs taken from the table at a time. */
const POLL_BATCH = 64
const MAX_BACKLOG = 20_000
/** A repeated response starts no more than one attempt in this time (RFC 8555 §8.2: to be rate-limited). */
const HASTEN_EVERY_MS = 1_000
const HASTEN_MEMORY = 10_000

/** @throws {Error} naming the entry of the configuration that cannot be read */
export function createValidationRunner(deps: ValidationRunnerDeps): ValidationRunner {
  return new JobRunner(deps, deps.prover ?? createProver(deps))
}

class JobRunner implements ValidationRunner {
  readonly owner: string
  readonly leaseSeconds = LEASE_SECONDS
  readonly #deps: ValidationRunnerDeps
  readonly #prover: Prover
  readonly #schedule: Schedule
  readonly #leases: LeaseKeeper
  readonly #stopping = new AbortController()
  readonly #tasks = new Set<Promise<void>>()
  readonly #hastenedAtMs = new Map<string, number>()
  /** When retries that we put back are due, by the monotonic clock. */
  readonly #dueMs = new Set<number>()
  /** Jobs that found no place here; their leases are given back together. */
  readonly #unplaced: ChallengeId[] = []
  /** True while the table has jobs that are due and were not taken for want of room. */
  #leftInTable = false
  /** Jobs not ended, as counted last. */
  #backlog = 0
  /** How long a job holds a place, on average of late. */
  #placeMs = 50
  #wake = new AbortController()

  constructor(deps: ValidationRunnerDeps, prover: Prover) {
    this.#deps = deps
    this.#prover = prover
    this.#schedule = new Schedule(deps.config.concurrency)
    this.owner = `validation-${deps.random.bytes(12).toString('base64url')}`
    this.#leases = new LeaseKeeper({
      ...deps,
      owner: this.owner,
      schedule: this.#schedule,
      giveBack: (id) => this.#leave(id),
    })
  }

  run(job: ValidationJob, leasedAtMs: number): void {
    this.#backlog++
    if (!this.#hold(job, leasedAtMs)) this.#leave(job.challenge.id)
    this.#pump()
  }

  pressure(): number {
    return this.#backlog / (this.#deps.maxBacklog ?? MAX_BACKLOG)
  }

  waitSeconds(): number {
    const ahead = this.#leftInTable ? Math.max(this.#backlog, this.#schedule.waiting) : this.#schedule.waiting
    return (ahead * this.#placeMs) / this.#deps.config.concurrency / 1000
  }

  hasten(job: { challengeId: string }): void {
    if (this.#stopping.signal.aborted) return
    const now = this.#deps.clock.monotonicMs()
    const last = this.#hastenedAtMs.get(job.challengeId)
    if (last !== undefined && now - last < HASTEN_EVERY_MS) return
    if (this.#hastenedAtMs.size >= HASTEN_MEMORY) this.#hastenedAtMs.clear()
    this.#hastenedAtMs.set(job.challengeId, now)
    this.#track(
      this.#deps.store.validationJobs
        .hasten(job.challengeId as ChallengeId, this.#deps.clock.now())
        .then(() => this.#wake.abort())
        .catch((error: unknown) => this.#deps.log.error('validation.hasten_failed', { ...job, error })),
    )
  }

  start(): void {
    this.#track(this.#poll())
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the validation runner stops'))
    this.#wake.abort()
    const broken = this.#schedule.held.map(({ job }) => job.challenge.id)
    this.#schedule.clear()
    await this.#leases.stop()
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks)
    try {
      await this.#deps.store.validationJobs.release(broken, this.owner)
    } catch (error) {
      // They end by themselves, only later.
      this.#deps.log.error('validation.not_released', { error })
    }
  }

  async #poll(): Promise<void> {
    const { clock, store, log, metrics } = this.#deps
    const stopping = this.#stopping.signal
    while (!stopping.aborted) {
      this.#wake = new AbortController()
      const startedMs = clock.monotonicMs()
      for (const due of this.#dueMs) if (due <= startedMs) this.#dueMs.delete(due)
      let isMore = false
      try {
        const limit = Math.min(this.#schedule.room, POLL_BATCH)
        if (limit > 0) {
          const leasedAtMs = clock.monotonicMs()
          const now = clock.now()
          const leaseUntil = new Date(now.getTime() + this.leaseSeconds * 1000)
          const jobs = await store.validationJobs.lease({ now, owner: this.owner, leaseUntil, limit })
          for (const job of jobs) if (!this.#hold(job, leasedAtMs)) this.#leave(job.challenge.id)
          const isFull = jobs.length === limit
          this.#leftInTable = isFull || this.#unplaced.length > 0
          // What found no place would come again at once, and find none again.
          isMore = isFull && this.#unplaced.length === 0
        }
        // Also without new jobs: attempts that became slow meanwhile give up their places.
        this.#pump()
        this.#backlog = await store.validationJobs.count()
        metrics.set('chancery_validation_jobs', this.#backlog)
        metrics.set('chancery_queue_length', this.#schedule.waiting, { queue: 'validations' })
      } catch (error) {
        log.error('validation.poll_failed', { error })
      }
      if (isMore && this.#schedule.room > 0) continue
      let nextMs = startedMs + (this.#deps.pollMs ?? POLL_MS)
      for (const due of this.#dueMs) nextMs = Math.min(nextMs, due)
      await clock.sleep(Math.max(1, nextMs - clock.monotonicMs()), this.#wake.signal)
    }
  }

  /** False when there is no place for it. */
  #hold(job: ValidationJob, leasedAtMs: number): boolean {
    if (this.#stopping.signal.aborted) return true
    const leaseEndsMs = leasedAtMs + this.leaseSeconds * 1000
    const before = this.#schedule.find(job.challenge.id)
    const held = before ?? { job, leaseEndsMs }
    // One whose lease had ended while it was held, and that nobody else took before us.
    held.leaseEndsMs = leaseEndsMs
    if (before === undefined && !this.#schedule.add(held)) return false
    this.#leases.watch(held)
    return true
  }

  /** Gives the lease of a job back at once: waiting for its end would cost the client seconds. */
  #leave(id: ChallengeId): void {
    this.#leftInTable = true
    this.#unplaced.push(id)
    if (this.#unplaced.length > 1) return
    const release = async (): Promise<void> => {
      await Promise.resolve()
      const ids = this.#unplaced.splice(0)
      this.#deps.log.debug('validation.left_in_table', { jobs: ids.length })
      await this.#deps.store.validationJobs.release(ids, this.owner)
    }
    this.#track(release().catch((error: unknown) => this.#deps.log.error('validation.not_released', { error })))
  }

  #pump(): void {
    if (this.#stopping.signal.aborted) return
    const { clock } = this.#deps
    for (;;) {
      const startedMs = clock.monotonicMs()
      const held = this.#schedule.take(startedMs)
      if (held === undefined) return
      this.#track(
        this.#attempt(held)
          .catch((error: unknown) => {
            // The row stays; its lease ends, and someone tries again.
            this.#deps.log.error('validation.not_recorded', { challengeId: held.job.challenge.id, error })
            return undefined
          })
          .then((outcome) => {
            this.#schedule.done(held, outcome)
            this.#placeMs += (Math.min(clock.monotonicMs() - startedMs, SLOW_MS) - this.#placeMs) / 32
            this.#pump()
            // Half of the places are free, and there is more in the table.
            if (this.#leftInTable && this.#schedule.room * 2 >= this.#deps.config.concurrency) this.#wake.abort()
          }),
      )
    }
  }

  /** @returns what it says of its account and host; undefined when nothing */
  async #attempt(held: HeldJob): Promise<'proved' | 'failed' | undefined> {
    const { clock, chaosDelaySeconds } = this.#deps
    const { job } = held
    const stopping = this.#stopping.signal
    held.overdueMs = clock.monotonicMs() + chaosDelaySeconds * 1000 + this.#prover.attemptMs + OVERDUE_MS
    if (chaosDelaySeconds > 0) await clock.sleep(chaosDelaySeconds * 1000, stopping)
    if (stopping.aborted) return undefined
    if (!this.#leases.mayBegin(held)) return undefined // another process may have it by now
    if (hasEnded(job.authorization, clock.now())) {
      const failure = new ValidationFailure('unauthorized', 'The authorization ended before it was proven', {
        hopeless: true,
      })
      await this.#fail(job, failure)
      return undefined
    }
    const evidence = newEvidence()
    const startedMs = clock.monotonicMs()
    let failure: ValidationFailure | undefined
    try {
      await this.#prover.prove(job, { signal: stopping, evidence })
    } catch (error) {
      if (stopping.aborted) return undefined
      failure = toFailure(error)
    }
    const seconds = (clock.monotonicMs() - startedMs) / 1000
    this.#report(job, failure, seconds, evidence)
    if (failure === undefined) {
      await this.#succeed(job, evidence)
      return 'proved'
    }
    const again = nextAttempt(job, failure, this.#deps.config, clock.now())
    if (again === undefined) await this.#fail(job, failure, evidence)
    else await this.#retry(job, failure, again)
    return failure.type === 'serverInternal' ? undefined : 'failed'
  }

  #report(job: ValidationJob, failure: ValidationFailure | undefined, seconds: number, evidence: object): void {
    const { log, metrics } = this.#deps
    const { authorization, challenge } = job
    metrics.observe('chancery_validation_seconds', seconds, { type: challenge.type })
    log.info('validation.attempt', {
      directory: authorization.directory,
      accountId: authorization.accountId,
      authorizationId: authorization.id,
      challengeId: challenge.id,
      type: challenge.type,
      identifier: authorization.identifier,
      wildcard: authorization.wildcard,
      attempt: job.attempts + 1,
      outcome: failure === undefined ? 'valid' : 'failed',
      seconds,
      evidence,
      ...(failure === undefined ? {} : { problem: challengeProblem(failure) }),
      ...(failure?.type === 'serverInternal' ? { error: failure.cause } : {}),
    })
  }

  async #succeed(job: ValidationJob, evidence: ReturnType<typeof newEvidence>): Promise<void> {
    const now = this.#deps.clock.now()
    const outcome = await this.#deps.store.validationJobs.succeed(job.challenge.id, {
      owner: this.owner,
      now,
      expiresAt: new Date(now.getTime() + this.#deps.validAuthorizationSeconds * 1000),
      answeredFrom: answeredFrom(evidence),
      authorization: job.authorization,
      audit: validationAudit('validation.succeeded', job, now, { attempt: job.attempts + 1, evidence }),
    })
    this.#ended(job, outcome === 'done' ? 'valid' : 'discarded')
  }

  async #fail(
    job: ValidationJob,
    failure: ValidationFailure,
    evidence?: ReturnType<typeof newEvidence>,
  ): Promise<void> {
    const now = this.#deps.clock.now()
    const problem = challengeProblem(failure)
    // A failure of our own says nothing about the name.
    const pause = failure.type === 'serverInternal' ? undefined : this.#deps.pause
    const outcome = await this.#deps.store.validationJobs.fail(job.challenge.id, {
      owner: this.owner,
      now,
      error: problem,
      orderError: (this.#deps.orderError ?? orderProblem)(job.authorization, failure),
      ...(pause && { pause }),
      audit: validationAudit('validation.failed', job, now, {
        attempt: job.attempts + 1,
        problem,
        ...(evidence === undefined ? {} : { evidence }),
      }),
    })
    this.#ended(job, outcome === 'done' ? 'invalid' : 'discarded')
  }

  async #retry(job: ValidationJob, failure: ValidationFailure, runAt: Date): Promise<void> {
    const { clock, store } = this.#deps
    await store.validationJobs.retry(job.challenge.id, { owner: this.owner, runAt, error: challengeProblem(failure) })
    this.#dueMs.add(clock.monotonicMs() + Math.max(0, runAt.getTime() - clock.now().getTime()))
    this.#wake.abort()
  }

  #ended(job: ValidationJob, outcome: 'valid' | 'invalid' | 'discarded'): void {
    this.#backlog = Math.max(0, this.#backlog - 1)
    this.#hastenedAtMs.delete(job.challenge.id)
    this.#deps.metrics.count('chancery_validations_total', { type: job.challenge.type, outcome })
    this.#deps.onEnd?.(job, outcome)
  }

  #track(task: Promise<void>): void {
    this.#tasks.add(task)
    const forget = (): void => void this.#tasks.delete(task)
    task.then(forget, forget)
  }
}

function hasEnded(authorization: AuthorizationRecord, now: Date): boolean {
  const isEnded = authorization.deactivatedAt !== undefined || authorization.revokedAt !== undefined
  return isEnded || authorization.expiresAt.getTime() <= now.getTime()
}
