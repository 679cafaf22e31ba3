import { parseId } from '../../lib/ids.ts'
import type { ChallengeInAuthorization } from '../../store/records.ts'
import { keyAuthorization } from '../../validation/key-authorization.ts'
import type { AcmeResponse, AcmeServices, AuthenticatedRequest, Endpoint } from '../endpoint.ts'
import { accountOf, notFound } from '../find-owned.ts'
import { pollSeconds } from '../poll-interval.ts'
import { AcmeError } from '../problem.ts'
import { renderChallenge } from '../render/challenge.ts'
import { authorizationStatus } from '../state/authorization.ts'
import { challengeStatus } from '../state/challenge.ts'

/**
 * Reads a challenge with an empty payload, or responds to it with a JSON object, whose members are ignored (RFC 8555
 * §7.5.1, CQ-V04). A repeated response never begins a second validation: while one runs it hastens it, after success
 * it reads (CQ-V05).
 */
export const challenge: Endpoint = async (request, services) => {
  const found = await findChallenge(request, services)
  const now = services.clock.now()
  if (request.payload === '') return challengeResponse(found, { request, services, now })
  const proof = authorizationStatus(found.authorization, now)
  if (proof === 'valid') return challengeResponse(found, { request, services, now })
  if (proof !== 'pending') {
    throw new AcmeError(
      'malformed',
      `The authorization of this challenge is ${proof}; place a new order for a new challenge`,
    )
  }
  const status = challengeStatus(found.challenge, proof)
  switch (status) {
    case 'pending':
      return respond(found, request, services)
    case 'processing':
      services.validation.hasten({ challengeId: found.challenge.id })
      return challengeResponse(found, { request, services, now })
    case 'valid':
    case 'invalid':
      return challengeResponse(found, { request, services, now })
    default:
      return status satisfies never
  }
}

async function findChallenge(request: AuthenticatedRequest, services: AcmeServices): Promise<ChallengeInAuthorization> {
  const id = parseId('challenge', request.params['id'] ?? '')
  const found =
    id && (await services.store.authorizations.findChallenge(request.directory.name, accountOf(request).id, id))
  if (found === undefined) throw notFound('challenge')
  return found
}

/** Fixes the key authorization by the account key of this moment (§7.3.5), and queues the proof as a durable job. */
async function respond(
  found: ChallengeInAuthorization,
  request: AuthenticatedRequest,
  services: AcmeServices,
): Promise<AcmeResponse> {
  const { directory, requestId } = request
  const account = accountOf(request)
  const { id: challengeId, type, token } = found.challenge
  if (!directory.config.challenges.includes(type)) {
    throw new AcmeError('malformed', `This directory no longer takes ${type}; place a new order`)
  }
  const now = services.clock.now()
  const leasedAtMs = services.clock.monotonicMs()
  const { owner, leaseSeconds } = services.validation
  const queued = await services.store.validationJobs.enqueue(found, {
    now,
    keyAuthorization: keyAuthorization(token, account.thumbprint),
    owner,
    leaseUntil: new Date(now.getTime() + leaseSeconds * 1000),
    audit: {
      at: now,
      event: 'challenge.responded',
      requestId,
      directory: directory.name,
      accountId: account.id,
      data: { challengeId, type, authorizationId: found.authorization.id },
    },
  })
  // Another response came first; the row tells how it stands.
  if (queued.outcome === 'already')
    return challengeResponse(await findChallenge(request, services), { request, services, now })
  services.validation.run(queued.job, leasedAtMs)
  request.log.info('challenge.responded', { challengeId, authorizationId: found.authorization.id, type })
  return challengeResponse(queued.job, { request, services, now })
}

function challengeResponse(
  found: ChallengeInAuthorization,
  context: { readonly request: AuthenticatedRequest; readonly services: AcmeServices; readonly now: Date },
): AcmeResponse {
  const { urls } = context.request.directory
  const { authorization } = found
  const proof = authorizationStatus(authorization, context.now)
  // As in the authorization, whose name needed no challenge.
  const challenge = authorization.proof ? { ...found.challenge, validatedAt: authorization.proof.at } : found.challenge
  return {
    status: 200,
    links: [{ url: urls.authorization(authorization.id), rel: 'up' }],
    ...(challengeStatus(challenge, proof) === 'processing' && {
      retryAfterSeconds: pollSeconds('validation', context.services),
    }),
    body: renderChallenge(challenge, { authorization: proof, urls }),
  }
}
