import type { Config } from '../config/schema.ts'
import type { ValidationJob } from '../store/records.ts'
import type { ValidationFailure } from './failure.ts'

/** However a client hastens its job, so many times the usual number of attempts is the end. */
const MOST = 4

/**
 * When to try again after a failed attempt, or undefined to give up (RFC 8555 §8.2).
 *
 * A job is given up after the set number of attempts, but not before the time that they take unhastened: a client
 * that repeats its response must not lose the time in which its record spreads (CQ-V13).
 */
export function nextAttempt(
  job: ValidationJob,
  failure: ValidationFailure,
  config: Pick<Config['validation'], 'attempts' | 'dnsAttempts' | 'retryAfter'>,
  now: Date,
): Date | undefined {
  if (failure.hopeless) return undefined
  const made = job.attempts + 1
  const due = job.challenge.type === 'dns-01' ? config.dnsAttempts : config.attempts
  const patienceMs = (due - 1) * config.retryAfter * 1000
  const isPatient = now.getTime() - job.startedAt.getTime() < patienceMs
  const goOn = made < due || (isPatient && made < MOST * due)
  return goOn ? new Date(now.getTime() + config.retryAfter * 1000) : undefined
}
