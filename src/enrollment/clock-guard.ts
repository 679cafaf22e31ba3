import type { Clock } from '../lib/clock.ts'

/** Signing stopped because the wall clock cannot be trusted; nothing was claimed or signed. */
export class ClockError extends Error {
  override readonly name = 'ClockError'
  readonly code = 'CLOCK_WENT_BACK'
}

export interface ClockGuard {
  /** @throws {ClockError} when wall time lies further behind than the tolerance */
  check(): void
}

/**
 * Compares the wall clock with the monotonic one: since any moment that it has seen, wall time must have gone on at
 * least as far as monotonic time did, less the tolerance (KF-E09). A certificate dated by a clock that went back
 * would escape its issuer's limits and come before revocations that preceded it.
 *
 * Going forward is allowed, because a machine that slept does that. From then on the later time is the measure: a
 * clock that jumped ahead by mistake and is set right again stops signing until the process is started anew.
 */
export function createClockGuard(options: { readonly clock: Clock; readonly toleranceSeconds: number }): ClockGuard {
  const { clock, toleranceSeconds } = options
  /** Wall minus monotonic time, the greatest seen; it grows only by jumps forward. */
  let lead = clock.now().getTime() - clock.monotonicMs()
  return {
    check() {
      const now = clock.now().getTime()
      const behindMs = lead + clock.monotonicMs() - now
      if (behindMs > toleranceSeconds * 1000) {
        throw new ClockError(
          `the wall clock says ${new Date(now).toISOString()} and is ${Math.round(behindMs / 1000)} s behind what it said before; ` +
            'nothing is signed. Set the clock right, then restart',
        )
      }
      lead = Math.max(lead, now - clock.monotonicMs())
    },
  }
}
