import type { AccountId, EabKeyId } from '../../lib/ids.ts'
import type { AccountRecord, EabKeyRecord } from '../records.ts'
import type { EabKeyStore } from '../store.ts'
import { appendAudit } from './audit.ts'
import type { Database, Reads, Sql } from './database.ts'
import { type Mutable, toBuffer, toDate, toMs } from './encoding.ts'

interface EabKeyRow {
  readonly id: string
  readonly directory: string
  readonly wrapped_mac_key: Uint8Array
  readonly label: string
  readonly created_at: number
  readonly expires_at: number
  readonly used_at: number | null
  readonly used_by: string | null
  readonly revoked_at: number | null
}

const COLUMNS = 'id, directory, wrapped_mac_key, label, created_at, expires_at, used_at, used_by, revoked_at'

const INSERT = `INSERT INTO eab_keys (${COLUMNS}, ends_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

const FIND = `SELECT ${COLUMNS} FROM eab_keys WHERE id = ?`

const LIST = `SELECT ${COLUMNS} FROM eab_keys ORDER BY created_at, id`

const LIST_OF_DIRECTORY = `SELECT ${COLUMNS} FROM eab_keys WHERE directory = ? ORDER BY created_at, id`

const SPEND = `
  UPDATE eab_keys SET used_at = ?, used_by = ?, ends_at = ?
  WHERE id = ? AND directory = ? AND used_at IS NULL AND revoked_at IS NULL AND expires_at > ?`

const REVOKE = `
  UPDATE eab_keys SET revoked_at = ?, ends_at = ?
  WHERE id = ? AND used_at IS NULL AND revoked_at IS NULL`

/** Spends the key for this account; false when it is used, revoked, expired, of another directory or unknown (KF-B14). */
export async function spendEabKey(
  sql: Sql,
  id: EabKeyId,
  { account, now }: { account: AccountRecord; now: Date },
): Promise<boolean> {
  const at = now.getTime()
  const { changes } = await sql.run(SPEND, at, account.id, at, id, account.directory, at)
  return changes === 1
}

export async function findEabKey(sql: Reads, id: EabKeyId): Promise<EabKeyRecord | undefined> {
  const row = await sql.get<EabKeyRow>(FIND, id)
  return row && toEabKey(row)
}

export function createEabKeyStore(database: Database): EabKeyStore {
  return {
    create: (key, audit) =>
      database.write(async (sql) => {
        await sql.run(
          INSERT,
          key.id,
          key.directory,
          key.wrappedMacKey,
          key.label,
          key.createdAt.getTime(),
          key.expiresAt.getTime(),
          toMs(key.usedAt),
          key.usedBy ?? null,
          toMs(key.revokedAt),
          (key.usedAt ?? key.revokedAt ?? key.expiresAt).getTime(),
        )
        await appendAudit(sql, audit)
      }),

    find: (id) => findEabKey(database, id),

    async list(directory) {
      const rows =
        directory === undefined
          ? await database.all<EabKeyRow>(LIST)
          : await database.all<EabKeyRow>(LIST_OF_DIRECTORY, directory)
      return rows.map(toEabKey)
    },

    revoke: (id, now, audit) =>
      database.write(async (sql) => {
        const { changes } = await sql.run(REVOKE, now.getTime(), now.getTime(), id)
        if (changes === 0) return false
        await appendAudit(sql, audit)
        return true
      }),
  }
}

function toEabKey(row: EabKeyRow): EabKeyRecord {
  const key: Mutable<EabKeyRecord> = {
    id: row.id as EabKeyId,
    directory: row.directory,
    wrappedMacKey: toBuffer(row.wrapped_mac_key),
    label: row.label,
    createdAt: toDate(row.created_at),
    expiresAt: toDate(row.expires_at),
  }
  if (row.used_at !== null) key.usedAt = toDate(row.used_at)
  if (row.used_by !== null) key.usedBy = row.used_by as AccountId
  if (row.revoked_at !== null) key.revokedAt = toDate(row.revoked_at)
  return key
}
