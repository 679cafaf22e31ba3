import type { Clock } from '../lib/clock.ts'

/**
 * The time by which things are deleted: the wall clock, but never further than the monotonic clock has gone since the
 * start. A wall clock that jumps ahead by mistake is set right again, and what it had deleted would be gone for good,
 * revocations of certificates that are still good among it (KF-E09). After a sleep of the machine deletion is only
 * late, until the next start.
 *
 * @returns a function that gives the instant; call it once at start
 */
export function createDeletionTime(clock: Clock): () => Date {
  const lead = clock.now().getTime() - clock.monotonicMs()
  return () => new Date(Math.min(clock.now().getTime(), lead + clock.monotonicMs()))
}
