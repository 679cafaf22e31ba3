import type { Identifier } from '../lib/identifier.ts'
import type { Requester } from '../policy/decision.ts'
import type { AccountRecord } from '../store/records.ts'
import type { AcmeServices, AuthenticatedRequest } from './endpoint.ts'
import { refusalError, refusalFacts } from './refusal.ts'

/** The account as policy knows it. */
export function requesterOf(account: AccountRecord): Requester {
  return {
    kind: 'account',
    directory: account.directory,
    accountId: account.id,
    ...(account.eabKeyId && { externalKey: { id: account.eabKeyId, attributes: {}, groups: [] } }),
  }
}

/**
 * Asks the directory's policy early, so that a hopeless order is refused with its reason at once. Issuance asks again.
 *
 * @throws {AcmeError} with every reason, after log and audit trail have them under the reference that it carries
 */
export async function decideOnNames(
  identifiers: readonly Identifier[],
  asked: { readonly request: AuthenticatedRequest; readonly account: AccountRecord; readonly lifetimeSeconds: number },
  services: Pick<AcmeServices, 'store' | 'clock'>,
): Promise<void> {
  const { request, account, lifetimeSeconds } = asked
  const { directory, requestId } = request
  const decision = await directory.policy.decide({
    requester: requesterOf(account),
    stage: 'order',
    profile: directory.profile.name,
    names: identifiers,
    lifetimeSeconds,
    at: services.clock.now(),
  })
  if (decision.outcome === 'allow') return
  const facts = refusalFacts(decision)
  request.log.info('policy.denied', { ...facts })
  await services.store.audit.append([
    {
      at: services.clock.now(),
      event: 'policy.denied',
      requestId,
      directory: directory.name,
      accountId: account.id,
      data: facts,
    },
  ])
  throw refusalError(decision, requestId)
}
