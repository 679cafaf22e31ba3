import type { AccountRecord } from '../../store/records.ts'

export type AccountStatus = 'valid' | 'deactivated' | 'revoked'

/** The status of an account (RFC 8555 §7.1.6), from its facts. What the server took back stays taken back. */
export function accountStatus(account: Pick<AccountRecord, 'deactivatedAt' | 'revokedAt'>): AccountStatus {
  if (account.revokedAt !== undefined) return 'revoked'
  if (account.deactivatedAt !== undefined) return 'deactivated'
  return 'valid'
}
