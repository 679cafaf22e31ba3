import type { Clock } from '../lib/clock.ts'
import type { ChallengeId } from '../lib/ids.ts'
import type { Logger } from '../observe/log.ts'
import type { Store } from '../store/store.ts'
import { type HeldJob, type Schedule, SLOW_MS } from './schedule.ts'

/** What a client waits at most until another server takes up what a dead one had; a validation rarely takes a second. */
export const LEASE_SECONDS = 15
const LEASE_MS = LEASE_SECONDS * 1000
/**
 * A lease is renewed when this much of it is left. So much a clock elsewhere may be ahead before it takes a lease of the
 * living for ended, and so long the database may be away before one is lost.
 */
const RENEW_LEFT_MS = 10_000
/** A job whose lease ends sooner is not begun: the renewal that should have come did not. */
const BEGIN_LEFT_MS = 5_000
const TRY_AGAIN_MS = 2_000

export interface LeaseKeeperDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly store: Pick<Store, 'validationJobs'>
  readonly owner: string
  readonly schedule: Schedule
  /** Told of a lease that was renewed for a job that is no longer held. */
  readonly giveBack: (id: ChallengeId) => void
}

/**
 * Renews the leases of held jobs, so that they can be short: all of them together, when the oldest comes near its
 * end. Jobs that are done within a second are in none, and while nothing is held nothing happens. Who could not renew in
 * time behaves as one who lost the lease, whatever the table says: what waits is let go, and of what runs only the store
 * says whether the result counts.
 */
export class LeaseKeeper {
  readonly #deps: LeaseKeeperDeps
  /** When the timer rings; infinite while none runs. */
  #dueMs = Number.POSITIVE_INFINITY
  #cancel = (): void => {}
  #renewal: Promise<void> | undefined
  #isStopped = false

  constructor(deps: LeaseKeeperDeps) {
    this.#deps = deps
  }

  /** To be called when a job is held, or its lease was taken anew. */
  watch(held: HeldJob): void {
    // The one under way looks at all that is held when it ends.
    if (this.#renewal === undefined && held.leaseEndsMs !== undefined) this.#ringAt(held.leaseEndsMs - RENEW_LEFT_MS)
  }

  /** Whether the job is ours for long enough to begin its attempt; a renewal then keeps it ours. */
  mayBegin({ leaseEndsMs }: HeldJob): boolean {
    return leaseEndsMs !== undefined && leaseEndsMs - this.#deps.clock.monotonicMs() >= BEGIN_LEFT_MS
  }

  /** Renews nothing any more; resolves when a renewal under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel()
    await this.#renewal
  }

  #ringAt(dueMs: number): void {
    if (this.#isStopped || dueMs >= this.#dueMs) return
    this.#cancel()
    this.#dueMs = dueMs
    this.#cancel = this.#deps.clock.after(Math.max(0, dueMs - this.#deps.clock.monotonicMs()), () => this.#ring())
  }

  #ring(): void {
    this.#dueMs = Number.POSITIVE_INFINITY
    const startedMs = this.#deps.clock.monotonicMs()
    this.#loseLapsed(startedMs)
    const endsMs = this.#firstEndMs()
    if (endsMs - startedMs > RENEW_LEFT_MS) {
      this.#ringAt(endsMs - RENEW_LEFT_MS)
      return
    }
    this.#renewal = this.#renew(startedMs).finally(() => {
      this.#renewal = undefined
      const againMs = this.#deps.clock.monotonicMs() + TRY_AGAIN_MS
      this.#ringAt(Math.max(againMs, this.#firstEndMs() - RENEW_LEFT_MS))
    })
  }

  async #renew(startedMs: number): Promise<void> {
    const { clock, log, owner, schedule, store, giveBack } = this.#deps
    // Most of the youngest are done before their leases matter.
    const isOlder = (one: HeldJob): boolean => endOf(one) - startedMs <= LEASE_MS - SLOW_MS
    const held = schedule.held.filter(isOlder)
    const ids = held.map(({ job }) => job.challenge.id)
    const leaseUntil = new Date(clock.now().getTime() + LEASE_MS)
    try {
      const kept = new Set(await store.validationJobs.renew(ids, { owner, leaseUntil }))
      if (this.#isStopped) return
      for (const id of kept) {
        const one = schedule.find(id)
        if (one === undefined) giveBack(id)
        else one.leaseEndsMs = startedMs + LEASE_MS
      }
      // One that was taken anew meanwhile is not.
      this.#lose(held.filter((one) => isOlder(one) && !kept.has(one.job.challenge.id)))
    } catch (error) {
      log.error('validation.leases_not_renewed', { jobs: ids.length, error })
    }
  }

  #firstEndMs(): number {
    return this.#deps.schedule.held.reduce((first, held) => Math.min(first, endOf(held)), Number.POSITIVE_INFINITY)
  }

  /** Also what an attempt never ends for: somebody else shall have a try at it. */
  #loseLapsed(nowMs: number): void {
    const isLapsed = (held: HeldJob): boolean => endOf(held) <= nowMs || isOverdue(held, nowMs)
    this.#lose(this.#deps.schedule.held.filter(isLapsed))
  }

  #lose(jobs: readonly HeldJob[]): void {
    const { schedule, log } = this.#deps
    // One that ended while its lease was renewed is no loss.
    const lost = jobs.filter((held) => held.leaseEndsMs !== undefined && schedule.find(held.job.challenge.id) === held)
    for (const held of lost) {
      held.leaseEndsMs = undefined
      schedule.letGo(held.job.challenge.id)
    }
    if (lost.length > 0) log.info('validation.leases_lost', { jobs: lost.length })
  }
}

/** Infinite for a lease that is lost already: it needs no look any more. */
function endOf({ leaseEndsMs }: HeldJob): number {
  return leaseEndsMs ?? Number.POSITIVE_INFINITY
}

function isOverdue({ overdueMs }: HeldJob, nowMs: number): boolean {
  return overdueMs !== undefined && overdueMs <= nowMs
}
