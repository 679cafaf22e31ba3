import { decisionFacts, decisionRecord } from '../enrollment/decision-record.ts'
import { requesterOf } from '../enrollment/requester.ts'
import type { Identifier } from '../lib/identifier.ts'
import type { Grant, PolicyRequest } from '../policy/decision.ts'
import type { AccountRecord, ProfileSnapshot } from '../store/records.ts'
import type { AcmeServices, AuthenticatedRequest } from './endpoint.ts'
import { refusalError } from './refusal.ts'

/**
 * Asks the directory's policy early, so that a hopeless order is refused with its reason at once. Issuance asks again.
 *
 * @returns what the order has to keep to; absent: what its profile and directory say
 * @throws {AcmeError} with every reason, after log and audit trail have them under the reference that it carries
 */
export async function decideOnNames(
  identifiers: readonly Identifier[],
  asking: {
    readonly request: AuthenticatedRequest
    readonly account: AccountRecord
    readonly profile: ProfileSnapshot
    /** Absent: none was asked for. */
    readonly lifetimeSeconds?: number | undefined
  },
  services: Pick<AcmeServices, 'store' | 'clock'>,
): Promise<Grant | undefined> {
  const { request, account, profile, lifetimeSeconds } = asking
  const { directory, requestId } = request
  const asked: PolicyRequest = {
    requester: requesterOf(account),
    stage: 'order',
    profile: profile.name,
    names: identifiers,
    ...(lifetimeSeconds !== undefined && { lifetimeSeconds }),
    at: services.clock.now(),
  }
  const decision = await directory.policy.decide(asked)
  if (decision.outcome === 'allow') return decision.grant
  const facts = decisionFacts(decision)
  request.log.info('policy.denied', { ...facts })
  await services.store.decisions.append(decisionRecord({ asked, decision }, { reference: requestId }), {
    at: asked.at,
    event: 'policy.denied',
    requestId,
    directory: directory.name,
    accountId: account.id,
    data: facts,
  })
  throw refusalError(decision, requestId, asked.at)
}
