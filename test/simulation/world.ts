import { createHash } from 'node:crypto'
import { Chance } from './chance.ts'
import { ownEventLoop, realImmediate } from './event-loop.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  run: (() => void) | undefined
}

export interface Cancel {
  cancel(): void
}

/** What must never be true. The seed that led to it leads to it again. */
export class Violation extends Error {
  override readonly name = 'Violation'
  /** The rule that was broken, by the name under which `docs/simulation.md` lists it. */
  readonly rule: string
  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`)
    this.rule = rule
  }
}

const TAIL_LINES = 80

/**
 * Simulated time and everything that waits for it. One timer is run after the other, in the order of their time and
 * then of their making, and after each everything that it set off is run to its end; so one seed has one history.
 * What happens is written to a trace, whose hash is the history's name.
 */
export class World {
  readonly seed: string
  readonly chance: Chance
  readonly startMs: number
  nowMs: number
  /** Timers run so far. */
  steps = 0
  readonly #heap: Timer[] = []
  readonly #turns: (() => void)[] = []
  readonly #hash = createHash('sha256')
  readonly #tail: string[] = []
  readonly #echo: ((line: string) => void) | undefined
  #order = 0
  #failure: unknown

  constructor(options: { seed: string; startMs: number; echo?: ((line: string) => void) | undefined }) {
    this.seed = options.seed
    this.startMs = options.startMs
    this.nowMs = options.startMs
    this.chance = new Chance(options.seed)
    this.#echo = options.echo
  }

  after(ms: number, run: () => void): Cancel {
    const timer: Timer = { atMs: this.nowMs + Math.max(0, Math.ceil(ms)), order: this.#order++, run }
    push(this.#heap, timer)
    return {
      cancel: () => {
        timer.run = undefined
      },
    }
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  /** Time goes by while the program is busy and can do nothing else. */
  block(ms: number): void {
    this.nowMs += Math.ceil(ms)
  }

  /** Lets a task run by itself; if it rejects, the simulation has failed. */
  spawn(task: Promise<unknown>): void {
    task.catch((error: unknown) => this.fail(error))
  }

  /** Ends the simulation: at the next timer, `run` throws this. The first failure wins. */
  fail(error: unknown): void {
    this.#failure ??= error
  }

  check(rule: string, holds: boolean, detail: () => string): void {
    if (!holds) this.fail(new Violation(rule, detail()))
  }

  trace(what: string, ...details: readonly (string | number)[]): void {
    const line = `${new Date(this.nowMs).toISOString()} ${what} ${details.join(' ')}`
    this.#hash.update(line).update('\n')
    this.#tail.push(line)
    if (this.#tail.length > 2 * TAIL_LINES) this.#tail.splice(0, TAIL_LINES)
    this.#echo?.(line)
  }

  get tail(): readonly string[] {
    return this.#tail.slice(-TAIL_LINES)
  }

  /** The name of what has happened so far. */
  traceHash(): string {
    return this.#hash.copy().digest('hex')
  }

  get day(): number {
    return (this.nowMs - this.startMs) / 86_400_000
  }

  /** Runs to this instant. Must be awaited before it is called again. @throws what `fail` was given */
  async run(untilMs: number): Promise<void> {
    ownEventLoop(this.#turns)
    try {
      await this.#settle()
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure
        const next = this.#heap[0]
        if (next === undefined || next.atMs > untilMs) break
        pop(this.#heap)
        if (next.run === undefined) continue
        this.nowMs = Math.max(this.nowMs, next.atMs)
        this.steps++
        next.run()
        await this.#settle()
      }
      this.nowMs = Math.max(this.nowMs, untilMs)
    } finally {
      ownEventLoop(undefined)
    }
  }

  /** Until nothing is left to do at this instant: all microtasks, and the turns that code asked for one by one. */
  async #settle(): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => void realImmediate(resolve))
      const turn = this.#turns.shift()
      if (turn === undefined) return
      turn()
    }
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

function push(heap: Timer[], timer: Timer): void {
  let at = heap.push(timer) - 1
  while (at > 0) {
    const up = (at - 1) >> 1
    const parent = heap[up] as Timer
    if (isBefore(parent, timer)) break
    heap[at] = parent
    at = up
  }
  heap[at] = timer
}

function pop(heap: Timer[]): void {
  const last = heap.pop() as Timer
  if (heap.length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer)) child++
    if (isBefore(last, heap[child] as Timer)) break
    heap[at] = heap[child] as Timer
    at = child
  }
  heap[at] = last
}
