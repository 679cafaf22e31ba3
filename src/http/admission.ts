import type { Clock } from '../lib/clock.ts'
import { Fifo } from '../lib/fifo.ts'
import { threadCpuMs } from '../lib/thread-cpu.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import { ClientGone } from './refusal.ts'
import { ReturningCrowd } from './returning-crowd.ts'
import { TurnBudget } from './turn-budget.ts'

/** `begin` starts something new (an order, an account); `finish` serves what was begun. */
export type WorkKind = 'finish' | 'begin'

/** Why something was not even looked at. */
export type Overload = 'waited' | 'full' | 'backlog'

/** Refused for want of capacity, before anything was read or changed: the same request may be sent again. */
export class Busy extends Error {
  /** When to come back; to be spread a little by whoever says it. */
  readonly retryAfterSeconds: number
  constructor(retryAfterSeconds: number) {
    super('the server has more work than it can do')
    this.retryAfterSeconds = retryAfterSeconds
  }
}

export interface AdmissionOptions {
  /** How long new work may wait for its turn, in milliseconds; what was begun may wait ten times as long. */
  readonly newWorkDelayMs: number
  /** Pieces of work under way at once. Each holds a request in memory, and maybe a place in the store's queue. */
  readonly maxUnderWay: number
  /** Requests that wait at most. */
  readonly maxWaiting: number
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  readonly metrics: Metrics
  readonly log: Logger
  /**
   * How full the queues behind us are (signer, validations, store): 1 or more means that nothing new may begin. Asked for
   * each new piece of work, so it must cost nothing.
   */
  readonly pressures?: () => readonly { readonly queue: string; readonly fullness: number }[]
  /** CPU time used so far, in milliseconds; default: that of this thread. */
  readonly cpuMs?: () => number
  /** Calls back in the next turn of the event loop; default: `setImmediate`. */
  readonly nextTurn?: (turn: () => void) => void
}

interface Waiter {
  readonly kind: WorkKind
  readonly bytes: number
  readonly sinceMs: number
  /** Its place among all who ever waited. */
  readonly place: number
  readonly isGone: () => boolean
  readonly grant: (leave: () => void) => void
  readonly refuse: (reason: unknown) => void
}

const MAX_WAITING_BYTES = 32 << 20
const FINISH_PATIENCE = 10
/** Requests of orders in flight to one new order while the line becomes long; an order has six, so theirs grows shorter. */
const FINISHES_FOR_A_BEGIN = 8
/** Past capacity, the line of new work is as long as what we take of it within the delay, and these. */
const SPARE_PLACES = 8
/** So long without long waits, and the overload is over. */
const CALM_MS = 500
const WATCH_MS = 100
const FINISH_RETRY_SECONDS = 2

/**
 * The line between a request that was read and the work it asks for (KF-F23).
 *
 * - The event loop is given so much work in each turn as it can do in about five milliseconds; the rest waits in order.
 * - As long as nothing waits long, first come is first served. Once new work has waited for half of `newWorkDelayMs`, most
 *   of the work begun is of orders in flight. Once it has waited all of it, we are past capacity: what was begun goes first,
 *   so that orders in flight finish, and new work is refused early and cheaply, its signature unread and its nonce
 *   unspent.
 * - The line is bounded, in length, in bytes and in time. Capacity is nowhere configured; the delay measures it.
 */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #budget = new TurnBudget()
  readonly #crowd = new ReturningCrowd()
  readonly #lines = { finish: new Fifo<Waiter>(), begin: new Fifo<Waiter>() }
  #waitingBytes = 0
  #places = 0
  #underWay = 0
  #finishedInARow = 0
  #isTurning = false
  #isWatching = false
  #overload: { sinceMs: number; untilMs: number; refused: number } | undefined

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  get isOverloaded(): boolean {
    return this.#overload !== undefined
  }

  /** How far we are from keeping up: 0 while the lines behind us are at most half full, 1 when nothing new is begun. */
  get shortage(): number {
    if (this.#overload !== undefined) return 1
    const fullest = Math.max(0, ...(this.#options.pressures?.() ?? []).map(({ fullness }) => fullness))
    return Math.min(1, Math.max(0, 2 * fullest - 1))
  }

  get waiting(): number {
    return this.#lines.finish.length + this.#lines.begin.length
  }

  /**
   * Waits for the turn of a piece of work. Whoever gets the returned function calls it when the work has ended.
   *
   * @param request its size in memory, and whether its sender has gone away meanwhile
   * @throws {Busy | ClientGone}
   */
  enter(
    kind: WorkKind,
    request: { readonly bytes: number; readonly isGone: () => boolean },
  ): Promise<() => void> | (() => void) {
    const nowMs = this.#options.clock.monotonicMs()
    if (kind === 'begin') this.#refuseIfBackedUp(nowMs)
    if (this.waiting === 0 && this.#underWay < this.#options.maxUnderWay && this.#budget.take()) {
      this.#wakeNextTurn()
      return this.#start(kind, 0, nowMs)
    }
    this.#makePlace(kind, request.bytes, nowMs)
    return new Promise((grant, refuse) => {
      const { bytes, isGone } = request
      this.#lines[kind].push({ kind, bytes, isGone, sinceMs: nowMs, place: this.#places++, grant, refuse })
      this.#waitingBytes += request.bytes
      this.#wakeNextTurn()
    })
  }

  #refuseIfBackedUp(nowMs: number): void {
    for (const { queue, fullness } of this.#options.pressures?.() ?? []) {
      if (fullness < 1) continue
      this.#options.metrics.count('chancery_backlogs_total', { queue })
      throw this.#refusal('begin', 'backlog', nowMs)
    }
  }

  /** @throws {Busy} when there is none; what was begun takes the place of the newest of the new */
  #makePlace(kind: WorkKind, bytes: number, nowMs: number): void {
    const { begin } = this.#lines
    if (kind === 'begin' && this.#overload !== undefined) {
      const places = SPARE_PLACES + (this.#crowd.rate * this.#options.newWorkDelayMs) / 1000
      if (begin.length >= places) throw this.#refusal(kind, 'full', nowMs)
    }
    const isFull = this.waiting >= this.#options.maxWaiting || this.#waitingBytes + bytes > MAX_WAITING_BYTES
    if (!isFull) return
    const victim = kind === 'finish' ? begin.pop() : undefined
    if (victim === undefined) throw this.#refusal(kind, 'full', nowMs)
    this.#waitingBytes -= victim.bytes
    victim.refuse(this.#refusal('begin', 'full', nowMs))
  }

  #wakeNextTurn(): void {
    if (this.#isTurning) return
    this.#isTurning = true
    ;(this.#options.nextTurn ?? setImmediate)(() => this.#turn())
  }

  #turn(): void {
    this.#isTurning = false
    const nowMs = this.#options.clock.monotonicMs()
    const wasUsed = this.#budget.isUsed
    this.#budget.next((this.#options.cpuMs ?? threadCpuMs)())
    this.#judge(nowMs)
    let next = this.#next(nowMs)
    while (next !== undefined && this.#underWay < this.#options.maxUnderWay && this.#budget.take()) {
      this.#lines[next.kind].shift()
      this.#waitingBytes -= next.bytes
      if (next.isGone()) next.refuse(new ClientGone())
      else next.grant(this.#start(next.kind, nowMs - next.sinceMs, nowMs))
      next = this.#next(nowMs)
    }
    this.#options.metrics.set('chancery_queue_length', this.waiting, { queue: 'requests' })
    const isStuck = this.waiting > 0 && this.#underWay >= this.#options.maxUnderWay
    if (this.waiting > 0 || this.#overload !== undefined) this.#watch()
    if (!isStuck && (this.waiting > 0 || wasUsed || this.#budget.isUsed)) this.#wakeNextTurn()
    else this.#budget.rest()
  }

  /** Sees to it that nobody waits too long when nothing moves, and that an overload ends when nobody comes any more. */
  #watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    void this.#options.clock.sleep(WATCH_MS).then(() => {
      this.#isWatching = false
      if (!this.#isTurning) this.#turn()
    })
  }

  /** The head of the line that goes first, after those that waited too long were sent away. */
  #next(nowMs: number): Waiter | undefined {
    const finish = this.#headOf('finish', nowMs, this.#options.newWorkDelayMs * FINISH_PATIENCE)
    const begin = this.#headOf('begin', nowMs, this.#options.newWorkDelayMs)
    if (finish === undefined || begin === undefined) return finish ?? begin
    if (this.#overload !== undefined) return finish
    if (nowMs - begin.sinceMs <= this.#options.newWorkDelayMs / 2) return finish.place < begin.place ? finish : begin
    return this.#finishedInARow < FINISHES_FOR_A_BEGIN ? finish : begin
  }

  #headOf(kind: WorkKind, nowMs: number, patienceMs: number): Waiter | undefined {
    const line = this.#lines[kind]
    for (let head = line.peek(); head !== undefined; head = line.peek()) {
      if (nowMs - head.sinceMs <= patienceMs) return head
      line.shift()
      this.#waitingBytes -= head.bytes
      head.refuse(head.isGone() ? new ClientGone() : this.#refusal(kind, 'waited', nowMs))
    }
    return undefined
  }

  #start(kind: WorkKind, waitedMs: number, nowMs: number): () => void {
    const { metrics } = this.#options
    metrics.observe('chancery_queue_wait_seconds', waitedMs / 1000, { queue: 'requests', kind })
    if (kind === 'begin') this.#crowd.taken(nowMs)
    this.#finishedInARow = kind === 'begin' ? 0 : this.#finishedInARow + 1
    this.#underWay++
    let hasLeft = false
    return () => {
      if (hasLeft) return
      hasLeft = true
      this.#underWay--
      if (this.waiting > 0) this.#wakeNextTurn()
    }
  }

  #refusal(kind: WorkKind, why: Overload, nowMs: number): Busy {
    this.#options.metrics.count('chancery_refused_busy_total', { kind, why })
    if (this.#overload === undefined) {
      this.#overload = { sinceMs: nowMs, untilMs: nowMs, refused: 0 }
      this.#options.metrics.set('chancery_overloaded', 1)
      this.#options.log.warn('overload.began', { kind, why, waiting: this.waiting, underWay: this.#underWay })
      this.#watch()
    }
    this.#overload.refused++
    this.#overload.untilMs = nowMs + CALM_MS
    // An order in flight waits a little, whatever the crowd outside.
    return new Busy(kind === 'begin' ? this.#crowd.appointment(nowMs) : FINISH_RETRY_SECONDS)
  }

  /** The overload goes on while anybody is refused, or anything new has waited for half of what it may. */
  #judge(nowMs: number): void {
    const overload = this.#overload
    if (overload === undefined) return
    const oldest = this.#lines.begin.peek() ?? this.#lines.finish.peek()
    if (oldest !== undefined && nowMs - oldest.sinceMs > this.#options.newWorkDelayMs / 2)
      overload.untilMs = nowMs + CALM_MS
    if (nowMs < overload.untilMs) return
    this.#overload = undefined
    this.#options.metrics.set('chancery_overloaded', 0)
    const seconds = Math.round((nowMs - overload.sinceMs) / 100) / 10
    this.#options.log.warn('overload.ended', { seconds, refused: overload.refused })
  }
}
