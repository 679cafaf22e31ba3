import type { AccountRecord, EabKeyRecord } from './records.ts'

/** The last instant of the year 9999: what has no end ends then. */
export const FOREVER_MS = 253_402_300_799_000

/** How many accounts the key may still make; Infinity without a limit. */
export function usesLeft(key: Pick<EabKeyRecord, 'maxUses' | 'uses'>): number {
  const { maxUses = 1, uses = 0 } = key
  return maxUses === 'unlimited' ? Infinity : Math.max(0, maxUses - uses)
}

/** The ACME directories in which the key opens accounts; at least one. */
export function directoriesOf(key: Pick<EabKeyRecord, 'directory' | 'directories'>): readonly string[] {
  return key.directories ?? [key.directory]
}

export type EabKeyState = 'usable' | 'revoked' | 'expired' | 'used'

/** Whether the key can make an account at `now`, and if not, what ended that. It has expired at `expiresAt`, not after. */
export function eabKeyState(key: EabKeyRecord, now: Date): EabKeyState {
  if (key.revokedAt !== undefined) return 'revoked'
  if (usesLeft(key) === 0) return 'used'
  if (key.accountsEndAt !== undefined && now >= key.accountsEndAt) return 'expired'
  return now < key.expiresAt ? 'usable' : 'expired'
}

/** Whether the key opens an account in this directory now. The one rule, for the binding and for the store (KF-B14). */
export function opensAccount(key: EabKeyRecord, directory: string, now: Date): boolean {
  // Of a key that only a restore remembers, the secret is lost.
  const isWhole = key.wrappedMacKey.length > 0
  return isWhole && eabKeyState(key, now) === 'usable' && directoriesOf(key).includes(directory)
}

/** Whether the end of its external account key has stopped the account. It is stopped at that instant, not after it. */
export function isStopped(account: Pick<AccountRecord, 'externalKey'>, now: Date): boolean {
  const end = account.externalKey?.accountsEndAt
  return end !== undefined && now >= end
}
