import type { AuthorizationRecord, ChallengeRecord } from '../../store/records.ts'
import type { AuthorizationStatus } from '../state/authorization.ts'
import { authorizationStatus } from '../state/authorization.ts'
import type { DirectoryUrls } from '../urls.ts'
import { renderChallenge } from './challenge.ts'
import { renderInstant } from './instant.ts'

/**
 * An authorization object (RFC 8555 §7.1.4). `identifier` is the base name, with `wildcard: true` where the order
 * asked for `*.`; otherwise there is no such member (CQ-O05).
 */
export function renderAuthorization(
  authorization: AuthorizationRecord,
  context: { readonly urls: DirectoryUrls; readonly now: Date },
): object {
  const status = authorizationStatus(authorization, context.now)
  return {
    identifier: { type: authorization.identifier.type, value: authorization.identifier.value },
    status,
    expires: renderInstant(authorization.expiresAt),
    challenges: shownChallenges(asProved(authorization), status).map((challenge) =>
      renderChallenge(challenge, { authorization: status, urls: context.urls }),
    ),
    ...(authorization.wildcard && { wildcard: true }),
    // Of our own: how a name without a challenge was proved.
    ...(authorization.proof && {
      proof: { method: authorization.proof.method, validated: renderInstant(authorization.proof.at) },
    }),
  }
}

/**
 * Of a name that needed no challenge, the first of its challenges as if it were done: none was (RFC 8555 §7.1.4), but
 * clients look for one of their kind that is `valid`, and take its absence for an error where the name is a wildcard.
 */
function asProved({ challenges, proof }: AuthorizationRecord): readonly ChallengeRecord[] {
  return proof === undefined ? challenges : challenges.slice(0, 1).map((one) => ({ ...one, validatedAt: proof.at }))
}

/**
 * All offered while pending; once ended, only what ended it (§7.1.4): the proof of a valid authorization, the failure
 * of an invalid one. Clients read any other status in the text as the authorization's own (CQ-O11, CQ-V07).
 */
function shownChallenges(
  challenges: readonly ChallengeRecord[],
  status: AuthorizationStatus,
): readonly ChallengeRecord[] {
  const proved = challenges.filter((challenge) => challenge.validatedAt !== undefined)
  switch (status) {
    case 'pending':
      return challenges
    case 'valid':
      return proved
    case 'invalid':
      return challenges.filter((challenge) => challenge.failedAt !== undefined)
    case 'expired':
    case 'deactivated':
    case 'revoked':
      return proved.length > 0 ? proved : challenges
    default:
      return status satisfies never
  }
}
