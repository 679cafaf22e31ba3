import type { ChallengeRecord, StoredProblem } from '../../store/records.ts'
import type { AuthorizationStatus } from '../state/authorization.ts'
import { challengeStatus } from '../state/challenge.ts'
import type { DirectoryUrls } from '../urls.ts'
import { renderInstant } from './instant.ts'
import { renderStoredProblem } from './stored-problem.ts'

/** Of one that was answered and had come to no end itself when its authorization did. */
const ENDED_BEFORE: StoredProblem = {
  type: 'unauthorized',
  detail: 'The authorization ended before this proof did; place a new order for a new challenge',
  status: 403,
}

/**
 * A challenge object (RFC 8555 §7.1.5, §8). Flat strings only until it carries an `error`, which is shown once the
 * challenge is `invalid` and never before, because clients take the first `error` for the end (CQ-T08, CQ-V06).
 */
export function renderChallenge(
  challenge: ChallengeRecord,
  context: { readonly authorization: AuthorizationStatus; readonly urls: DirectoryUrls },
): object {
  const status = challengeStatus(challenge, context.authorization)
  return {
    type: challenge.type,
    url: context.urls.challenge(challenge.id),
    status,
    token: challenge.token,
    ...(challenge.validatedAt && { validated: renderInstant(challenge.validatedAt) }),
    ...(status === 'invalid' && { error: renderStoredProblem(challenge.error ?? ENDED_BEFORE) }),
  }
}
