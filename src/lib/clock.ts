/**
 * Time, handed in. Nothing in Chancery reads the wall clock or sets a timer except through this interface,
 * so that tests move time instead of waiting for it.
 */
export interface Clock {
  /** Wall time. May jump in either direction; never use it to measure a duration. */
  now(): Date
  /** Milliseconds from an arbitrary origin, never going back. For durations and deadlines. */
  monotonicMs(): number
  /**
   * Resolves after `ms` milliseconds, or at once when `signal` aborts (it never rejects).
   * Does not keep the process alive.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    for (let left = ms; ; left -= LONGEST_TIMER_MS) {
      await oneTimer(Math.min(left, LONGEST_TIMER_MS), signal)
      if (left <= LONGEST_TIMER_MS || signal?.aborted) return
    }
  },
}

/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

function oneTimer(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    timer.unref()
    signal?.addEventListener('abort', done, { once: true })
  })
}
