import { type Identifier, isWildcard } from '../../lib/identifier.ts'
import type { Grant } from '../../policy/decision.ts'
import type { AccountRecord, AuthorizationRecord } from '../../store/records.ts'
import { decideOnNames } from '../decide-on-names.ts'
import { endedMeanwhile } from '../ended-account.ts'
import type { AcmeServices, AuthenticatedRequest, Endpoint } from '../endpoint.ts'
import { accountOf } from '../find-owned.ts'
import { identifierError, readIdentifier } from '../identifiers.ts'
import { planAuthorizations } from '../plan-authorizations.ts'
import { AcmeError } from '../problem.ts'
import { admitted, orGivenBack } from '../rate-limited.ts'
import { authorizationResponse } from './authorization.ts'

/**
 * Authorizes a name before any order (RFC 8555 §7.4.1). A reusable authorization is answered in place of a new one;
 * always with 201, the only success that some clients know here. Wildcards cannot be pre-authorized. It
 * is for orders of the default profile: a request for an authorization cannot name another.
 */
export const newAuthz: Endpoint = async (request, services) => {
  const account = accountOf(request)
  const { directory, payload } = request
  const read = readIdentifier(payload === '' ? undefined : payload['identifier'], 'identifier')
  if ('problem' in read) throw identifierError([read.problem])
  const { identifier } = read
  if (isWildcard(identifier)) {
    throw new AcmeError(
      'rejectedIdentifier',
      'A wildcard cannot be authorized in advance (RFC 8555 §7.4.1); place an order for it',
      {
        subproblems: [{ type: 'rejectedIdentifier', detail: 'A wildcard cannot be authorized in advance', identifier }],
      },
    )
  }
  const { profile } = directory
  const grant = await decideOnNames([identifier], { request, account, profile }, services)
  const { limits } = services
  const asked = { directory: directory.name, account, identifiers: [identifier], isOrder: false }
  const taken = admitted(await limits.order(asked), limits)
  const now = services.clock.now()
  const work = authorize(identifier, { request, account, now, methods: grant?.methods }, services)
  const { found, isNew } = await orGivenBack(work, taken, limits)
  // What was authorized already costs nothing.
  if (!isNew) limits.giveBack(taken)
  request.log.info('authorization.created', { authorizationId: found.id, reused: !isNew })
  return {
    ...authorizationResponse(found, { request, services, now }),
    status: 201,
    location: directory.urls.authorization(found.id),
  }
}

/** The authorization to answer with, and whether it was made just now. */
async function authorize(
  identifier: Identifier,
  asked: {
    readonly request: AuthenticatedRequest
    readonly account: AccountRecord
    readonly now: Date
    readonly methods: Grant['methods'] | undefined
  },
  services: AcmeServices,
): Promise<{ found: AuthorizationRecord; isNew: boolean }> {
  const { request, account, now, methods } = asked
  const { directory } = request
  const plan = await planAuthorizations(
    [identifier],
    { directory, profile: directory.profile, account, now, methods },
    services,
  )
  const [created] = plan.created
  const [found] = plan.authorizations
  if (found === undefined) throw new Error('The plan holds no authorization for the identifier')
  if (created === undefined) return { found, isNew: false }
  const outcome = await services.store.authorizations.create(created, {
    at: now,
    event: 'authorization.created',
    requestId: request.requestId,
    directory: directory.name,
    accountId: account.id,
    data: {
      authorizationId: created.id,
      identifier: `${identifier.type}:${identifier.value}`,
      ...(created.proof?.grantId && { nameGrants: [created.proof.grantId] }),
    },
  })
  if (outcome === 'account-ended') throw await endedMeanwhile(account, services)
  if (outcome === 'grant-ended') throw grantEnded()
  return { found, isNew: true }
}

function grantEnded(): AcmeError {
  return new AcmeError('serverInternal', 'What is granted to the account is changing; send the same request again', {
    status: 503,
    retryAfterSeconds: 1,
  })
}
