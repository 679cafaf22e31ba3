import type { ValidationJob } from '../store/records.ts'

/** A job held by this process, and when its lease ends by the monotonic clock. */
export interface HeldJob {
  readonly job: ValidationJob
  readonly leaseEndsMs: number
}

/** Attempts at once against one host (KF-F08). */
const MAX_PER_HOST = 32
/** Jobs held beyond those that run, as a multiple of them; what comes after stays in the table. */
const BACKLOG = 8

/**
 * Says which held job may run next. One host has at most 32 attempts under way and one account at most half of all
 * places, so that neither a victim of many orders nor their author holds up the others (KF-F08).
 */
export class Schedule {
  readonly #concurrency: number
  readonly #waiting = new Map<string, HeldJob>()
  readonly #running = new Map<string, HeldJob>()
  readonly #perHost = new Map<string, number>()
  readonly #perAccount = new Map<string, number>()

  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** How many more jobs are worth taking from the table now. */
  get room(): number {
    return Math.max(0, this.#concurrency - this.#running.size - this.#waiting.size)
  }

  get running(): number {
    return this.#running.size
  }

  /** False when the job is held already, or there are too many. */
  add(held: HeldJob): boolean {
    const id = held.job.challenge.id
    if (this.#running.has(id) || this.#waiting.has(id)) return false
    if (this.#waiting.size >= this.#concurrency * BACKLOG) return false
    this.#waiting.set(id, held)
    return true
  }

  /** The next job that may run, now counted as running; undefined when none may. */
  take(): HeldJob | undefined {
    if (this.#running.size >= this.#concurrency) return undefined
    const perAccount = Math.max(1, Math.ceil(this.#concurrency / 2))
    for (const [id, held] of this.#waiting) {
      const { host, account } = keys(held)
      if ((this.#perHost.get(host) ?? 0) >= MAX_PER_HOST) continue
      if ((this.#perAccount.get(account) ?? 0) >= perAccount) continue
      this.#waiting.delete(id)
      this.#running.set(id, held)
      this.#perHost.set(host, (this.#perHost.get(host) ?? 0) + 1)
      this.#perAccount.set(account, (this.#perAccount.get(account) ?? 0) + 1)
      return held
    }
    return undefined
  }

  done(held: HeldJob): void {
    if (!this.#running.delete(held.job.challenge.id)) return
    const { host, account } = keys(held)
    decrement(this.#perHost, host)
    decrement(this.#perAccount, account)
  }

  /** Every job that waits or runs. */
  get held(): readonly HeldJob[] {
    return [...this.#waiting.values(), ...this.#running.values()]
  }

  /** Forgets what has not begun; the rows stay in the table. */
  clear(): void {
    this.#waiting.clear()
  }
}

function keys({ job }: HeldJob): { host: string; account: string } {
  const { identifier, accountId } = job.authorization
  return { host: `${identifier.type}:${identifier.value}`, account: accountId }
}

function decrement(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 1) - 1
  if (left === 0) counts.delete(key)
  else counts.set(key, left)
}
