import type { Clock } from '../lib/clock.ts'

/** The reason with which the signal of `withDeadline` aborts when time is up. */
export class DeadlinePassed extends Error {
  constructor(ms: number) {
    super(`not done within ${ms / 1000} s`)
  }
}

/**
 * Runs `work` under a signal that aborts when `parent` does, or after `ms` with `DeadlinePassed`. It is for `work` to
 * heed the signal; nothing is left behind when it ends.
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  parent: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  parent.throwIfAborted()
  const controller = new AbortController()
  const onParent = (): void => controller.abort(parent.reason)
  parent.addEventListener('abort', onParent, { once: true })
  const cancel = clock.after(ms, () => controller.abort(new DeadlinePassed(ms)))
  try {
    return await work(controller.signal)
  } finally {
    cancel()
    parent.removeEventListener('abort', onParent)
  }
}
