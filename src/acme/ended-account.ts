import type { AccountRecord } from '../store/records.ts'
import { AcmeError } from './problem.ts'
import { accountStatus } from './state/account.ts'

/**
 * Refuses an account that has ended: 401, for good (RFC 8555 §7.3.6).
 *
 * @throws {AcmeError} `unauthorized`
 */
export function refuseEndedAccount(account: Pick<AccountRecord, 'deactivatedAt' | 'revokedAt'>): void {
  const status = accountStatus(account)
  if (status !== 'valid') throw endedAccount(status)
}

export function endedAccount(status: 'deactivated' | 'revoked' = 'deactivated'): AcmeError {
  return new AcmeError('unauthorized', `The account is ${status} and cannot be used again; register with a new key`, {
    status: 401,
  })
}
