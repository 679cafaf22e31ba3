import type { Random } from '../lib/random.ts'

/** Whoever waits at all is spread over at least this, and at most that. */
const LEAST_SPREAD_SECONDS = 5
const MOST_SPREAD_SECONDS = 900

/**
 * `Retry-After` for a wait: never sooner than it, and up to half of it later by chance, so that a crowd that was refused
 * together does not come back together.
 */
export function retryAfterSeconds(waitMs: number, random: Random): number {
  const seconds = Math.max(0, waitMs) / 1000
  const spread = Math.min(MOST_SPREAD_SECONDS, Math.max(LEAST_SPREAD_SECONDS, seconds / 2))
  return Math.max(1, Math.ceil(seconds + (random.bytes(4).readUInt32BE(0) / 2 ** 32) * spread))
}
