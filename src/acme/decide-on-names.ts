import { decisionFacts, decisionRecord } from '../enrollment/decision-record.ts'
import { requesterOf } from '../enrollment/requester.ts'
import type { Identifier } from '../lib/identifier.ts'
import type { Decision, Grant, PolicyRequest } from '../policy/decision.ts'
import type { AccountRecord, ProfileSnapshot } from '../store/records.ts'
import { bindingFaults } from './account-binding.ts'
import type { AcmeServices, AuthenticatedRequest } from './endpoint.ts'
import { refusalError } from './refusal.ts'

/**
 * Asks the directory's policy early, so that a hopeless order is refused with its reason at once. Issuance asks again.
 * What policy allows is still refused where the account is not bound to what would have to prove it, or the profile cannot
 * hold it.
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
    /** Those of the names that the profile adds, proved by what the account is bound to. */
    readonly added?: readonly Identifier[]
    /** Why the order makes no sense whatever policy says; absent: it does. */
    readonly fault?: string | undefined
  },
  services: Pick<AcmeServices, 'store' | 'clock'>,
): Promise<Grant | undefined> {
  const { request, account, profile, lifetimeSeconds, added = [], fault } = asking
  const { directory, requestId } = request
  const asked: PolicyRequest = {
    requester: requesterOf(account),
    stage: 'order',
    profile: profile.name,
    names: identifiers,
    ...(lifetimeSeconds !== undefined && { lifetimeSeconds }),
    at: services.clock.now(),
  }
  const answer = await directory.policy.decide(asked)
  const against = answer.outcome === 'allow' ? bindingFaults(identifiers, added, account, answer.grant) : []
  if (fault !== undefined) against.push({ rule: `profiles.${profile.name}`, code: 'profile', detail: fault })
  if (answer.outcome === 'allow' && against.length === 0) return answer.grant
  const decision: Decision & { outcome: 'deny' } =
    answer.outcome === 'deny'
      ? answer
      : { outcome: 'deny', reasons: against, ...(answer.version !== undefined && { version: answer.version }) }
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
