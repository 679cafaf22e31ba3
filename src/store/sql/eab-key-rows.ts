import type { AccountId, EabKeyId } from '../../lib/ids.ts'
import { usesLeft } from '../eab-key.ts'
import type { EabKeyRecord } from '../records.ts'
import type { SqlValue } from './database.ts'
import { fromJson, listFromJson, type Mutable, toBuffer, toDate, toMs } from './encoding.ts'

export interface EabKeyRow {
  readonly id: string
  readonly directory: string
  readonly directories: string | null
  readonly wrapped_mac_key: Uint8Array
  readonly label: string
  readonly owner: string
  readonly attributes: string | null
  readonly member_of: string | null
  readonly scope: string | null
  readonly max_uses: number | null
  readonly uses: number
  readonly lineage: string
  readonly generation: number
  readonly created_at: number
  readonly expires_at: number
  readonly accounts_end_at: number | null
  readonly used_at: number | null
  readonly used_by: string | null
  readonly revoked_at: number | null
}

export const EAB_KEY_COLUMNS = `
  id, directory, directories, wrapped_mac_key, label, owner, attributes, member_of, scope, max_uses, uses, lineage,
  generation, created_at, expires_at, accounts_end_at, used_at, used_by, revoked_at`

export const INSERT_EAB_KEYS = `INSERT INTO eab_keys (${EAB_KEY_COLUMNS}, ends_at)`

export function eabKeyRow(key: EabKeyRecord): EabKeyRow {
  const { maxUses = 1 } = key
  return {
    id: key.id,
    directory: key.directory,
    directories: listOrNull(key.directories),
    wrapped_mac_key: key.wrappedMacKey,
    label: key.label,
    owner: key.owner ?? '',
    attributes: Object.keys(key.attributes ?? {}).length === 0 ? null : JSON.stringify(key.attributes),
    member_of: listOrNull(key.groups),
    // An empty scope allows nothing, which is not the same as none.
    scope: key.scope === undefined ? null : JSON.stringify(key.scope),
    max_uses: maxUses === 'unlimited' ? null : maxUses,
    uses: key.uses ?? (key.usedAt === undefined ? 0 : 1),
    lineage: key.lineage ?? key.id,
    generation: key.generation ?? 0,
    created_at: key.createdAt.getTime(),
    expires_at: key.expiresAt.getTime(),
    accounts_end_at: toMs(key.accountsEndAt),
    used_at: toMs(key.usedAt),
    used_by: key.usedBy ?? null,
    revoked_at: toMs(key.revokedAt),
  }
}

/** The values of EAB_KEY_COLUMNS and `ends_at`, of a key that no account depends on yet. */
export function eabKeyParams(key: EabKeyRecord): SqlValue[] {
  const row = eabKeyRow(key)
  const ends = [key.expiresAt, key.revokedAt, usesLeft(key) === 0 ? key.usedAt : undefined]
  return [
    row.id,
    row.directory,
    row.directories,
    row.wrapped_mac_key,
    row.label,
    row.owner,
    row.attributes,
    row.member_of,
    row.scope,
    row.max_uses,
    row.uses,
    row.lineage,
    row.generation,
    row.created_at,
    row.expires_at,
    row.accounts_end_at,
    row.used_at,
    row.used_by,
    row.revoked_at,
    Math.min(...ends.flatMap((end) => (end === undefined ? [] : [end.getTime()]))),
  ]
}

export function toEabKey(row: EabKeyRow): EabKeyRecord {
  const place = (column: string) => ({ table: 'eab_keys', id: row.id, column })
  const key: Mutable<EabKeyRecord> = {
    id: row.id as EabKeyId,
    directory: row.directory,
    wrappedMacKey: toBuffer(row.wrapped_mac_key),
    label: row.label,
    createdAt: toDate(row.created_at),
    expiresAt: toDate(row.expires_at),
  }
  if (row.directories !== null) key.directories = listFromJson(row.directories, place('directories'))
  if (row.owner !== '') key.owner = row.owner
  if (row.attributes !== null) key.attributes = fromJson(row.attributes, place('attributes'))
  if (row.member_of !== null) key.groups = listFromJson(row.member_of, place('member_of'))
  if (row.scope !== null) key.scope = listFromJson(row.scope, place('scope'))
  if (row.max_uses !== 1) key.maxUses = row.max_uses ?? 'unlimited'
  if (row.uses > 0) key.uses = row.uses
  if (row.lineage !== row.id) key.lineage = row.lineage as EabKeyId
  if (row.generation > 0) key.generation = row.generation
  if (row.accounts_end_at !== null) key.accountsEndAt = toDate(row.accounts_end_at)
  if (row.used_at !== null) key.usedAt = toDate(row.used_at)
  if (row.used_by !== null) key.usedBy = row.used_by as AccountId
  if (row.revoked_at !== null) key.revokedAt = toDate(row.revoked_at)
  return key
}

function listOrNull(list: readonly string[] | undefined): string | null {
  return list === undefined || list.length === 0 ? null : JSON.stringify(list)
}
