import type { AccountRecord } from '../store/records.ts'
import type { AuthenticatedRequest } from './endpoint.ts'
import { AcmeError } from './problem.ts'

/** The account that signed. Routes give these endpoints account signers only; anything else is our own mistake. */
export function accountOf(request: AuthenticatedRequest): AccountRecord {
  if (request.signer.kind !== 'account') throw new Error('This endpoint was routed without an account')
  return request.signer.account
}

/** The one answer for what does not exist, belongs to another account, or has a URL of the wrong form (KF-B09). */
export function notFound(what: 'order' | 'authorization' | 'challenge' | 'certificate'): AcmeError {
  return new AcmeError('malformed', `There is no such ${what} of this account`, { status: 404 })
}
