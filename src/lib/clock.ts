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
  /**
   * Calls `ring` once, after `ms` milliseconds, unless the function it returns was called before. For deadlines, most of
   * which never come: it costs a timer and nothing else. Does not keep the process alive.
   */
  after(ms: number, ring: () => void): () => void
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = (): void => {
        cancel()
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const cancel = after(ms, done)
      signal?.addEventListener('abort', done, { once: true })
    }),
  after,
}

/**
 * Keeps the process alive until the function it returns is called. For work that must come to its end although it waits
 * for nothing but a clock, of which Node.js would think that there is nothing left to do.
 */
export function keepAlive(): () => void {
  const timer = setInterval(() => {}, LONGEST_TIMER_MS)
  return () => clearInterval(timer)
}

/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

function after(ms: number, ring: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = (leftMs: number): void => {
    const isLast = leftMs <= LONGEST_TIMER_MS
    timer = isLast ? setTimeout(ring, leftMs) : setTimeout(wait, LONGEST_TIMER_MS, leftMs - LONGEST_TIMER_MS)
    timer.unref()
  }
  wait(ms)
  return () => clearTimeout(timer)
}
