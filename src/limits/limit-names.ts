/**
 * Every limit by the name it has in `limits.*`, in metrics and in refusals, and what it counts for whom, as the end of
 * "too many …". One fact, one table.
 */
export const LIMITS = {
  requestsPerAddress: 'requests from this network address',
  newNoncesPerAddress: 'requests for nonces from this network address',
  failedRequestsPerAddress: 'requests from this network address that could not be authenticated',
  newAccountsPerAddress: 'new accounts from this network address',
  newNamesPerAccount: 'new names ordered by this account',
  newNamesPerExternalKey: 'new names ordered under this external account key',
  newNamesPerDirectory: 'new names ordered in this directory',
  certificatesPerParent: 'certificates for names under one parent name',
  certificatesPerNameSet: 'certificates for exactly this set of names',
  renewalsPerNameSet: 'renewals of exactly this set of names',
  revocations: 'revocations by this requester',
  keyChangesPerAccount: 'key changes of this account',
} as const

export type LimitName = keyof typeof LIMITS

export const LIMIT_NAMES = Object.keys(LIMITS) as readonly LimitName[]
