import type { AccountRecord, StoredProblem } from '../../store/records.ts'
import { readContacts } from '../contacts.ts'
import { endedAccount } from '../ended-account.ts'
import type { AcmeServices, AuthenticatedRequest, Endpoint } from '../endpoint.ts'
import { ownAccount } from '../own-account.ts'
import { renderAccount } from '../render/account.ts'

const ORDER_ERROR: StoredProblem = {
  type: 'unauthorized',
  detail: 'The account that placed the order was closed',
  status: 403,
}

/**
 * Reads, changes or closes the account that signs (RFC 8555 §7.3.2, §7.3.6). Only `contact` and the status
 * `deactivated` have an effect; everything else is ignored, so that `{}` reads as `""` does (CQ-A05).
 */
export const account: Endpoint = async (request, services) => {
  const current = ownAccount(request)
  const { payload } = request
  if (payload === '') return answer(current, request)
  if (payload['status'] === 'deactivated') return answer(await deactivate(current, request, services), request)
  const contact = readContacts(payload['contact'], services.settings.maxContacts)
  if (contact === undefined) return answer(current, request)
  return answer(await updateContact(current, contact, request, services), request)
}

function answer(account: AccountRecord, { directory }: AuthenticatedRequest) {
  return { status: 200, body: renderAccount(account, directory.urls) } as const
}

async function deactivate(
  current: AccountRecord,
  request: AuthenticatedRequest,
  services: AcmeServices,
): Promise<AccountRecord> {
  const now = services.clock.now()
  const audit = auditOf('account.deactivated', request, current, now, {})
  const ended = await services.store.accounts.deactivate(current.directory, current.id, {
    now,
    error: ORDER_ERROR,
    audit,
  })
  if (ended === undefined) throw endedAccount()
  return ended
}

async function updateContact(
  current: AccountRecord,
  contact: readonly string[],
  request: AuthenticatedRequest,
  services: AcmeServices,
): Promise<AccountRecord> {
  const audit = auditOf('account.updated', request, current, services.clock.now(), { contact })
  const changed = await services.store.accounts.updateContact(current.directory, current.id, contact, audit)
  // It was valid when the request was authenticated, so it ended meanwhile.
  if (changed === undefined) throw endedAccount()
  return changed
}

function auditOf(
  event: string,
  request: AuthenticatedRequest,
  account: AccountRecord,
  at: Date,
  data: Record<string, unknown>,
) {
  return { at, event, requestId: request.requestId, directory: account.directory, accountId: account.id, data }
}
