import type { Clock } from '../../src/lib/clock.ts'
import type { World } from './world.ts'

/** Answers of what has died: it neither resolves nor rejects. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined)
}

/** Thrown into code that goes on running although its process was killed. Nothing that it does is seen any more. */
export class ProcessDied extends Error {
  override readonly name = 'ProcessDied'
}

/** The machine on which one process after another runs. Its clock may be wrong. */
export class Machine {
  readonly world: World
  /** What its wall clock is ahead of true time. */
  wallOffsetMs = 0
  #processes = 0

  constructor(world: World) {
    this.world = world
  }

  startProcess(): Process {
    return new Process(this, ++this.#processes)
  }
}

/** One life of the server. When it is killed, its code may still run, but it has no clock, disk or network any more. */
export class Process {
  readonly number: number
  readonly clock: Clock
  readonly machine: Machine
  readonly #onDeath = new Set<() => void>()
  #sleeping = 0
  #isAlive = true

  constructor(machine: Machine, number: number) {
    this.machine = machine
    this.number = number
    const { world } = machine
    const bootMs = world.nowMs
    this.clock = {
      now: () => new Date(world.nowMs + machine.wallOffsetMs),
      monotonicMs: () => world.nowMs - bootMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
      after: (ms, ring) => this.#after(ms, ring),
    }
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Timers that this process waits for. */
  get sleeping(): number {
    return this.#sleeping
  }

  /** Runs when it dies; returns how to forget that. */
  onDeath(run: () => void): () => void {
    this.#onDeath.add(run)
    return () => this.#onDeath.delete(run)
  }

  kill(): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    for (const run of this.#onDeath) run()
    this.#onDeath.clear()
  }

  #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#isAlive) return never()
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const end = (): void => {
        cancel()
        signal?.removeEventListener('abort', end)
        if (this.#isAlive) resolve()
      }
      const cancel = this.#after(ms, end)
      signal?.addEventListener('abort', end, { once: true })
    })
  }

  #after(ms: number, ring: () => void): () => void {
    if (!this.#isAlive) return () => {}
    this.#sleeping++
    let isOver = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      this.#sleeping--
      timer.cancel()
    }
    const timer = this.machine.world.after(ms, () => {
      end()
      if (this.#isAlive) ring()
    })
    return end
  }
}
