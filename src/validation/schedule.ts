import type { ValidationJob } from '../store/records.ts'
import { Doubts } from './doubts.ts'

/** A job held by this process. */
export interface HeldJob {
  readonly job: ValidationJob
  /** When its lease ends, by the monotonic clock, as long as it is not renewed; undefined once it is lost. */
  leaseEndsMs: number | undefined
  /** When its attempt should have ended long ago, by the monotonic clock; absent while it waits. */
  overdueMs?: number
}

/** Attempts at once against one host (KF-F08). */
const MAX_PER_HOST = 32
/** Jobs held beyond those that run, as a multiple of them, in each of the two lines; what comes after stays in the table. */
const BACKLOG = 8
/** An attempt that has taken this long waits for somebody who may never answer; it gives up its place to the others. */
export const SLOW_MS = 1_000
/** Slow attempts cost a socket and a timer each, and no CPU: so many times the places may be slow. */
const SLOW = 7
/** Attempts under way at once, as a multiple of the places. */
export const PLACES_AND_SLOW = 1 + SLOW

interface Entry {
  readonly held: HeldJob
  readonly host: string
  readonly account: string
  readonly isDoubtful: boolean
  startedMs: number
  isSlow: boolean
}

/**
 * Says which held job may run next, so that neither a victim of many orders, nor their author, nor a thousand targets that
 * never answer hold up the others (KF-F08, KF-F04):
 *
 * - one host has at most 32 attempts under way, and one account at most half of all places;
 * - jobs that failed before, and those of accounts and hosts that keep failing, have at most half of all places, and
 *   a line of their own behind the others;
 * - an attempt that takes longer than a second gives its place up and goes on beside the others, as long as there are
 *   not seven times as many of these as there are places.
 */
export class Schedule {
  readonly #concurrency: number
  readonly #doubts = new Doubts()
  /** Waiting: first those that are likely to be quick, then the doubtful. */
  readonly #lines = { sure: new Map<string, Entry>(), doubtful: new Map<string, Entry>() }
  /** In the order in which they began. */
  readonly #running = new Map<string, Entry>()
  readonly #slow = new Map<string, Entry>()
  readonly #perHost = new Map<string, number>()
  readonly #perAccount = new Map<string, number>()
  #doubtful = 0

  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** How many more jobs are worth taking from the table now. */
  get room(): number {
    return Math.max(0, this.#concurrency - this.#running.size - this.#lines.sure.size)
  }

  get running(): number {
    return this.#running.size + this.#slow.size
  }

  /** Those that would go before a new job of somebody without a history. */
  get waiting(): number {
    return this.#lines.sure.size
  }

  /** False when the job is held already, or there are too many. */
  add(held: HeldJob): boolean {
    const id = held.job.challenge.id
    if (this.find(id) !== undefined) return false
    const { identifier, accountId: account } = held.job.authorization
    const host = `${identifier.type}:${identifier.value}`
    const isDoubtful = held.job.attempts > 0 || this.#doubts.has(account) || this.#doubts.has(host)
    const line = isDoubtful ? this.#lines.doubtful : this.#lines.sure
    if (line.size >= this.#concurrency * BACKLOG) return false
    line.set(id, { held, host, account, isDoubtful, startedMs: 0, isSlow: false })
    return true
  }

  /** The next job that may run, now counted as running; undefined when none may. */
  take(nowMs: number): HeldJob | undefined {
    this.#setSlowAside(nowMs)
    if (this.#running.size >= this.#concurrency) return undefined
    const half = Math.max(1, Math.ceil(this.#concurrency / 2))
    const entry = this.#first(this.#lines.sure, half) ?? this.#firstDoubtful(half)
    if (entry === undefined) return undefined
    const id = entry.held.job.challenge.id
    entry.startedMs = nowMs
    this.#running.set(id, entry)
    increment(this.#perHost, entry.host)
    increment(this.#perAccount, entry.account)
    if (entry.isDoubtful) this.#doubtful++
    return entry.held
  }

  /** @param outcome what the attempt says of its account and host; absent when it says nothing */
  done(held: HeldJob, outcome?: 'proved' | 'failed'): void {
    const id = held.job.challenge.id
    const entry = this.#running.get(id) ?? this.#slow.get(id)
    if (entry === undefined) return
    if (!entry.isSlow) this.#leavePlace(entry)
    this.#running.delete(id)
    this.#slow.delete(id)
    decrement(this.#perHost, entry.host)
    if (outcome === undefined) return
    this.#doubts.note(entry.account, outcome)
    this.#doubts.note(entry.host, outcome)
  }

  /** Every job that waits or runs. */
  get held(): readonly HeldJob[] {
    const { sure, doubtful } = this.#lines
    return [sure, doubtful, this.#running, this.#slow].flatMap((jobs) => [...jobs.values()].map(({ held }) => held))
  }

  /** The job of this challenge, waiting or running. */
  find(id: string): HeldJob | undefined {
    const { sure, doubtful } = this.#lines
    for (const jobs of [sure, doubtful, this.#running, this.#slow]) {
      const entry = jobs.get(id)
      if (entry !== undefined) return entry.held
    }
    return undefined
  }

  /** Forgets a job if it has not begun; its row stays in the table. */
  letGo(id: string): void {
    this.#lines.sure.delete(id)
    this.#lines.doubtful.delete(id)
  }

  /** Forgets what has not begun; the rows stay in the table. */
  clear(): void {
    this.#lines.sure.clear()
    this.#lines.doubtful.clear()
  }

  #firstDoubtful(half: number): Entry | undefined {
    // With one place there is no half; it then goes to whoever is first.
    const places = Math.max(1, Math.floor(this.#concurrency / 2))
    return this.#doubtful < places ? this.#first(this.#lines.doubtful, half) : undefined
  }

  #first(line: Map<string, Entry>, perAccount: number): Entry | undefined {
    for (const [id, entry] of line) {
      if ((this.#perHost.get(entry.host) ?? 0) >= MAX_PER_HOST) continue
      if ((this.#perAccount.get(entry.account) ?? 0) >= perAccount) continue
      line.delete(id)
      return entry
    }
    return undefined
  }

  #setSlowAside(nowMs: number): void {
    for (const [id, entry] of this.#running) {
      if (nowMs - entry.startedMs < SLOW_MS || this.#slow.size >= this.#concurrency * SLOW) return
      this.#running.delete(id)
      this.#slow.set(id, entry)
      entry.isSlow = true
      this.#leavePlace(entry)
    }
  }

  #leavePlace(entry: Entry): void {
    decrement(this.#perAccount, entry.account)
    if (entry.isDoubtful) this.#doubtful--
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function decrement(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 1) - 1
  if (left === 0) counts.delete(key)
  else counts.set(key, left)
}
