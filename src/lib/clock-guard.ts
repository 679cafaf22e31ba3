import type { Clock } from './clock.ts'

/** Signing stopped because the wall clock cannot be trusted; nothing was claimed or signed. */
export class ClockError extends Error {
  override readonly name = 'ClockError'
  readonly code = 'CLOCK_WENT_BACK'
}

export interface ClockGuard {
  /** @throws {ClockError} when wall time lies further behind than the tolerance */
  check(): void
  /** What `check` would say, for logs and `/readyz`; undefined while all is well. */
  problem(): ClockError | undefined
}

export interface ClockGuardOptions {
  readonly clock: Clock
  readonly toleranceSeconds: number
  /** The newest instant that processes before this one have seen (`ClockStore.newestSeen`); absent for a new store. */
  readonly newestSeen?: Date | undefined
}

/**
 * Compares the wall clock with the monotonic one: since any moment that it has seen, wall time must have gone on at
 * least as far as monotonic time did, less the tolerance (KF-E09). A certificate dated by a clock that went back
 * would escape its issuer's limits and come before revocations that preceded it. Across a restart, wall time must not
 * lie before what the store has seen, by the same tolerance.
 *
 * Going forward is allowed, because a machine that slept does that. From then on the later time is the measure: a
 * clock that jumped ahead by mistake and is set right again stops signing until an operator says that it is right.
 */
export function createClockGuard({ clock, toleranceSeconds, newestSeen }: ClockGuardOptions): ClockGuard {
  const toleranceMs = toleranceSeconds * 1000
  /** Wall minus monotonic time, the greatest seen; it grows only by jumps forward. */
  let lead = clock.now().getTime() - clock.monotonicMs()

  const problem = (): ClockError | undefined => {
    const now = clock.now()
    const behindMs = lead + clock.monotonicMs() - now.getTime()
    if (behindMs > toleranceMs) return wentBack(now, behindMs)
    const seenMs = newestSeen === undefined ? 0 : newestSeen.getTime() - now.getTime()
    if (newestSeen !== undefined && seenMs > toleranceMs) return beforeStore(now, newestSeen)
    lead = Math.max(lead, now.getTime() - clock.monotonicMs())
    return undefined
  }

  return {
    problem,
    check() {
      const found = problem()
      if (found !== undefined) throw found
    },
  }
}

function wentBack(now: Date, behindMs: number): ClockError {
  return new ClockError(
    `the wall clock says ${now.toISOString()} and is ${Math.round(behindMs / 1000)} s behind what it said before; ` +
      'nothing is signed. Set the clock right, then restart',
  )
}

function beforeStore(now: Date, newestSeen: Date): ClockError {
  return new ClockError(
    `the wall clock says ${now.toISOString()}, but the store has seen ${newestSeen.toISOString()}; nothing is signed. ` +
      'Set the clock right. If it is right now and was wrong then: chancery clock accept, then restart',
  )
}
