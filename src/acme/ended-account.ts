import { isStopped } from '../store/eab-key.ts'
import type { AccountRecord } from '../store/records.ts'
import type { AcmeServices } from './endpoint.ts'
import { AcmeError } from './problem.ts'
import { accountStatus } from './state/account.ts'

/**
 * Refuses an account that has ended: 401, for good (RFC 8555 §7.3.6); and one whose external account key has ended,
 * which an operator can undo: 403.
 *
 * @throws {AcmeError} `unauthorized`
 */
export function refuseEndedAccount(
  account: Pick<AccountRecord, 'deactivatedAt' | 'revokedAt' | 'externalKey'>,
  now: Date,
): void {
  const status = accountStatus(account)
  if (status !== 'valid') throw endedAccount(status)
  if (isStopped(account, now)) throw stoppedAccount()
}

/** Its certificates stay valid; whoever has the key of one can still revoke it. */
export function stoppedAccount(): AcmeError {
  return new AcmeError(
    'unauthorized',
    'The external account key of this account was revoked or has expired, which stops the account; ask its operator',
  )
}

/** Why an account that was valid when the request came is not any more. */
export async function endedMeanwhile(
  account: Pick<AccountRecord, 'id' | 'directory'>,
  services: Pick<AcmeServices, 'store' | 'clock'>,
): Promise<AcmeError> {
  const found = await services.store.accounts.find(account.directory, account.id)
  return found !== undefined && isStopped(found, services.clock.now()) ? stoppedAccount() : endedAccount()
}

export function endedAccount(status: 'deactivated' | 'revoked' = 'deactivated'): AcmeError {
  return new AcmeError('unauthorized', `The account is ${status} and cannot be used again; register with a new key`, {
    status: 401,
  })
}
