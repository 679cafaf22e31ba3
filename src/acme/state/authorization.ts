import { type AuthorizationRecord, PROOF_AHEAD_MS } from '../../store/records.ts'

export type AuthorizationStatus = 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked'

/**
 * The status of an authorization (RFC 8555 §7.1.6), from its facts and the clock.
 *
 * Final facts stand before the clock, so that an ended authorization never changes its status again; among them the
 * one that gives least comes first. It has expired at `expiresAt`, not after it; and a proof that lies ahead of the
 * clock is as good as expired.
 */
export function authorizationStatus(authorization: AuthorizationRecord, now: Date): AuthorizationStatus {
  if (authorization.revokedAt !== undefined) return 'revoked'
  if (authorization.challenges.some((challenge) => challenge.failedAt !== undefined)) return 'invalid'
  if (authorization.deactivatedAt !== undefined) return 'deactivated'
  if (now >= authorization.expiresAt) return 'expired'
  if (authorization.proof !== undefined) return isNotAhead(authorization.proof.at, now) ? 'valid' : 'expired'
  const { challenges } = authorization
  if (challenges.every(({ validatedAt }) => validatedAt === undefined)) return 'pending'
  const isProved = challenges.some(({ validatedAt }) => validatedAt !== undefined && isNotAhead(validatedAt, now))
  return isProved ? 'valid' : 'expired'
}

function isNotAhead(at: Date, now: Date): boolean {
  return at.getTime() <= now.getTime() + PROOF_AHEAD_MS
}
