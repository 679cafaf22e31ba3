import type { Clock } from '../../src/lib/clock.ts'

interface Sleeper {
  readonly wakeAt: number
  readonly wake: () => void
}

/** A clock that stands still until moved. Sleepers wake in the order of their time. */
export class FakeClock implements Clock {
  #wallMs: number
  #monotonicMs = 1_000
  readonly #sleepers = new Set<Sleeper>()

  constructor(startIso = '2026-03-01T12:00:00Z') {
    this.#wallMs = Date.parse(startIso)
  }

  now(): Date {
    return new Date(this.#wallMs)
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = (): void => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper: Sleeper = { wakeAt: this.#monotonicMs + ms, wake }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  after(ms: number, ring: () => void): () => void {
    const wake = (): void => {
      this.#sleepers.delete(sleeper)
      ring()
    }
    const sleeper: Sleeper = { wakeAt: this.#monotonicMs + ms, wake }
    this.#sleepers.add(sleeper)
    return () => void this.#sleepers.delete(sleeper)
  }

  /** Moves wall and monotonic time, waking sleepers on the way and letting what they woke run a few turns. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonicMs + ms
    for (;;) {
      const next = [...this.#sleepers].filter((s) => s.wakeAt <= end).sort((a, b) => a.wakeAt - b.wakeAt)[0]
      const until = next?.wakeAt ?? end
      this.#wallMs += Math.max(0, until - this.#monotonicMs)
      this.#monotonicMs = Math.max(this.#monotonicMs, until)
      if (next === undefined) break
      next.wake()
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Makes the wall clock jump while monotonic time stands still. */
  setWall(date: Date): void {
    this.#wallMs = date.getTime()
  }

  get sleeping(): number {
    return this.#sleepers.size
  }
}
