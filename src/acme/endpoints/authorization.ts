import { parseId } from '../../lib/ids.ts'
import type { AuthorizationRecord } from '../../store/records.ts'
import type { AcmeResponse, AcmeServices, AuthenticatedRequest, Endpoint } from '../endpoint.ts'
import { accountOf, notFound } from '../find-owned.ts'
import { pollSeconds } from '../poll-interval.ts'
import { AcmeError } from '../problem.ts'
import { renderAuthorization } from '../render/authorization.ts'
import { authorizationStatus } from '../state/authorization.ts'

/** Reads an authorization (RFC 8555 §7.5) or, with `{"status":"deactivated"}`, gives it up (§7.5.2). */
export const authorization: Endpoint = async (request, services) => {
  const id = parseId('authorization', request.params['id'] ?? '')
  const found = id && (await services.store.authorizations.find(request.directory.name, accountOf(request).id, id))
  if (found === undefined) throw notFound('authorization')
  if (request.payload === '') return authorizationResponse(found, { request, services, now: services.clock.now() })
  if (request.payload['status'] !== 'deactivated') {
    throw new AcmeError(
      'malformed',
      'An authorization is read with an empty payload, or given up with {"status":"deactivated"}; nothing else can be changed',
    )
  }
  return deactivate(found, request, services)
}

/** Also what newAuthz answers. */
export function authorizationResponse(
  found: AuthorizationRecord,
  context: {
    readonly request: AuthenticatedRequest
    readonly services: Pick<AcmeServices, 'pollSeconds'>
    readonly now: Date
  },
): AcmeResponse {
  const { urls } = context.request.directory
  const isValidating =
    authorizationStatus(found, context.now) === 'pending' &&
    found.challenges.some(({ respondedAt }) => respondedAt !== undefined)
  return {
    status: 200,
    ...(isValidating && { retryAfterSeconds: pollSeconds('validation', context.services) }),
    body: renderAuthorization(found, { urls, now: context.now }),
  }
}

/** Ends a pending or valid authorization; one that ended already is shown as it is, however often (CQ-O13). */
async function deactivate(
  found: AuthorizationRecord,
  request: AuthenticatedRequest,
  services: AcmeServices,
): Promise<AcmeResponse> {
  const now = services.clock.now()
  const status = authorizationStatus(found, now)
  if (status !== 'pending' && status !== 'valid') return authorizationResponse(found, { request, services, now })
  const { directory, requestId } = request
  const { id: accountId } = accountOf(request)
  const after = await services.store.authorizations.deactivate(directory.name, accountId, found.id, {
    now,
    // Without the word that some clients would take for a status of the order (CQ-O13).
    error: {
      type: 'unauthorized',
      status: 403,
      detail: `The authorization of ${found.identifier.value} was given up by its account; place a new order`,
    },
    audit: {
      at: now,
      event: 'authorization.deactivated',
      requestId,
      directory: directory.name,
      accountId,
      data: {
        authorizationId: found.id,
        identifier: `${found.identifier.type}:${found.identifier.value}`,
        was: status,
      },
    },
  })
  if (after === undefined) throw notFound('authorization')
  request.log.info('authorization.deactivated', { authorizationId: found.id, was: status })
  return authorizationResponse(after, { request, services, now })
}
