import type { AccountRecord } from '../store/records.ts'
import type { AuthenticatedRequest } from './endpoint.ts'
import { accountOf } from './find-owned.ts'
import { AcmeError } from './problem.ts'

/**
 * The account that the URL names, which must be the one that signs. Absent and foreign accounts get the same answer
 * (RFC 8555 §10.5, KF-B09).
 *
 * @throws {AcmeError} `unauthorized`
 */
export function ownAccount(request: AuthenticatedRequest): AccountRecord {
  const account = accountOf(request)
  if (request.params['id'] === account.id) return account
  throw new AcmeError('unauthorized', 'This is not the URL of the account that signs the request')
}
