import type { ChallengeRecord } from '../../store/records.ts'
import type { AuthorizationStatus } from './authorization.ts'

export type ChallengeStatus = 'pending' | 'processing' | 'valid' | 'invalid'

/**
 * The status of a challenge (RFC 8555 §7.1.6), from its facts and the status of its authorization.
 *
 * A challenge that was answered but had not ended when its authorization ended can never succeed, because its
 * result would be discarded; it is `invalid`, so that a client that polls it comes to an end.
 */
export function challengeStatus(challenge: ChallengeRecord, authorization: AuthorizationStatus): ChallengeStatus {
  if (challenge.failedAt !== undefined) return 'invalid'
  if (challenge.validatedAt !== undefined) return 'valid'
  if (challenge.respondedAt === undefined) return 'pending'
  return authorization === 'pending' ? 'processing' : 'invalid'
}
