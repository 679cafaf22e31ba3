import type { Clock } from '../../lib/clock.ts'

const LOOK_EVERY_MS = 250

/**
 * Ends what takes longer than it may: a server that went away without a word answers nothing, and only we can tell.
 * One look at all of them every so often instead of a timer for each.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #running = new Map<object, { readonly dueMs: number; readonly end: () => void }>()
  readonly #stopping = new AbortController()
  #watching = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @returns the same as `work`; `end` is called when it is not settled after `ms` */
  async within<T>(ms: number, work: Promise<T>, end: () => void): Promise<T> {
    const key = {}
    this.#running.set(key, { dueMs: this.#clock.monotonicMs() + ms, end })
    if (!this.#watching) void this.#watch()
    try {
      return await work
    } finally {
      this.#running.delete(key)
    }
  }

  close(): void {
    this.#stopping.abort()
  }

  async #watch(): Promise<void> {
    this.#watching = true
    while (!this.#stopping.signal.aborted) {
      await this.#clock.sleep(LOOK_EVERY_MS, this.#stopping.signal)
      const now = this.#clock.monotonicMs()
      for (const [key, { dueMs, end }] of this.#running) {
        if (dueMs > now) continue
        this.#running.delete(key)
        end()
      }
    }
  }
}
