import type { AuthorizationRecord } from '../../store/records.ts'

export type AuthorizationStatus = 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked'

/**
 * The status of an authorization (RFC 8555 §7.1.6), from its facts and the clock.
 *
 * Final facts stand before the clock, so that an ended authorization never changes its status again; among them the
 * one that gives least comes first. It has expired at `expiresAt`, not after it.
 */
export function authorizationStatus(authorization: AuthorizationRecord, now: Date): AuthorizationStatus {
  if (authorization.revokedAt !== undefined) return 'revoked'
  if (authorization.challenges.some((challenge) => challenge.failedAt !== undefined)) return 'invalid'
  if (authorization.deactivatedAt !== undefined) return 'deactivated'
  if (now >= authorization.expiresAt) return 'expired'
  if (authorization.challenges.some((challenge) => challenge.validatedAt !== undefined)) return 'valid'
  return 'pending'
}
