import { directoriesOf, eabKeyState } from '../store/eab-key.ts'
import type { EabKeyRecord } from '../store/records.ts'
import { renderEnd } from './ends.ts'

/** A key as `--json` shows it. The secret is nowhere in it. */
export function describeKey(key: EabKeyRecord, now: Date) {
  const { accountsEndAt, maxUses = 1 } = key
  return {
    id: key.id,
    state: eabKeyState(key, now),
    directories: directoriesOf(key),
    label: key.label,
    owner: key.owner ?? '',
    attributes: key.attributes ?? {},
    groups: key.groups ?? [],
    scope: key.scope ?? null,
    uses: { allowed: maxUses, made: key.uses ?? 0 },
    createdAt: key.createdAt.toISOString(),
    expiresAt: renderEnd(key.expiresAt),
    accounts: accountsEndAt === undefined || now < accountsEndAt ? 'go on' : 'stopped',
    accountsEndAt: accountsEndAt?.toISOString() ?? null,
    lastUsedAt: key.usedAt?.toISOString() ?? null,
    lastUsedBy: key.usedBy ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
    lineage: key.lineage ?? key.id,
    generation: key.generation ?? 0,
  }
}

/** What became of the key, in few words. */
export function stateInWords(key: EabKeyRecord, now: Date): string {
  const state = eabKeyState(key, now)
  switch (state) {
    case 'revoked':
      return `revoked ${key.revokedAt?.toISOString()}`
    case 'used':
      return key.maxUses === undefined
        ? `used by ${key.usedBy ?? 'a deleted account'}`
        : `used up by ${key.uses} accounts`
    case 'expired':
      return `expired ${renderEnd(key.expiresAt)}`
    case 'usable':
      return `usable until ${renderEnd(key.expiresAt)}`
    default:
      return state satisfies never
  }
}
