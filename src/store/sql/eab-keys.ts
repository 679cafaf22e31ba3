import type { AccountId, EabKeyId } from '../../lib/ids.ts'
import { directoriesOf, FOREVER_MS, opensAccount } from '../eab-key.ts'
import type { AccountRecord, EabKeyRecord } from '../records.ts'
import type { EabKeyStore } from '../store.ts'
import { appendAudit } from './audit.ts'
import { type Database, lockRows, type Reads, type Sql, Undo, writeOrUndo } from './database.ts'
import { EAB_KEY_COLUMNS, type EabKeyRow, eabKeyParams, eabKeyRow, INSERT_EAB_KEYS, toEabKey } from './eab-key-rows.ts'
import { toDate } from './encoding.ts'
import { insertRows } from './insert-rows.ts'

const FIND = `SELECT ${EAB_KEY_COLUMNS} FROM eab_keys WHERE id = ?`

const LIST = `SELECT ${EAB_KEY_COLUMNS} FROM eab_keys ORDER BY created_at, id`

const OF_LINEAGE = `
  SELECT ${EAB_KEY_COLUMNS} FROM eab_keys
  WHERE lineage = (SELECT lineage FROM eab_keys WHERE id = ?) ORDER BY generation`

const THE_KEY = 'SELECT id FROM eab_keys WHERE id = ?'

// The first key stands for its lineage; it may be gone, and then the unique generation decides a race.
const THE_LINEAGE = 'SELECT id FROM eab_keys WHERE id = (SELECT lineage FROM eab_keys WHERE id = ?)'

const SPEND = 'UPDATE eab_keys SET used_at = ?, used_by = ?, uses = uses + 1, ends_at = ? WHERE id = ?'

// The secret, the home directory and the place in the lineage never change.
const PUT = `
  UPDATE eab_keys SET directories = ?, label = ?, owner = ?, attributes = ?, member_of = ?, scope = ?, max_uses = ?,
    expires_at = ?, accounts_end_at = ?, revoked_at = ?
  WHERE id = ?`

const COUNT_ACCOUNTS = 'SELECT COUNT(*) AS count FROM accounts WHERE eab_key_id = ?'

const LIST_ACCOUNTS = `
  SELECT id, directory, created_at FROM accounts WHERE eab_key_id = ? ORDER BY created_at, id LIMIT ?`

/** While an account depends on the key it has no end; after that, whatever ended it first. */
export const RECKON_END = `
  UPDATE eab_keys SET ends_at = CASE
    WHEN EXISTS (SELECT 1 FROM accounts WHERE accounts.eab_key_id = eab_keys.id) THEN ${FOREVER_MS}
    WHEN revoked_at < expires_at THEN revoked_at
    WHEN uses >= max_uses AND used_at < expires_at THEN used_at
    ELSE expires_at END
  WHERE id = ?`

/** Spends one use of the key for this account; false when it opens none there now (KF-B14). */
export async function spendEabKey(
  sql: Sql,
  id: EabKeyId,
  { account, now }: { account: AccountRecord; now: Date },
): Promise<boolean> {
  lockRows(sql, 'update', THE_KEY, id)
  const key = await findEabKey(sql, id)
  if (key === undefined || !opensAccount(key, account.directory, now)) return false
  await sql.run(SPEND, now.getTime(), account.id, FOREVER_MS, id)
  return true
}

export async function findEabKey(sql: Reads, id: EabKeyId): Promise<EabKeyRecord | undefined> {
  const row = await sql.get<EabKeyRow>(FIND, id)
  return row && toEabKey(row)
}

export async function insertEabKeys(sql: Sql, keys: readonly EabKeyRecord[]): Promise<void> {
  await insertRows(sql, INSERT_EAB_KEYS, keys.map(eabKeyParams))
}

export function createEabKeyStore(database: Database): EabKeyStore {
  return {
    create: (key, audit) =>
      database.write(async (sql) => {
        await insertEabKeys(sql, [key])
        await appendAudit(sql, audit)
      }),

    createAll: (keys, audit) =>
      writeOrUndo<Awaited<ReturnType<EabKeyStore['createAll']>>>(database, async (sql) => {
        const taken: EabKeyId[] = []
        for (const { id } of keys) if ((await sql.get(THE_KEY, id)) !== undefined) taken.push(id)
        if (taken.length > 0) throw new Undo({ taken })
        await insertEabKeys(sql, keys)
        await appendAudit(sql, ...audit)
        return { taken }
      }),

    find: (id) => findEabKey(database, id),

    async list(directory) {
      const keys = (await database.all<EabKeyRow>(LIST)).map(toEabKey)
      return directory === undefined ? keys : keys.filter((key) => directoriesOf(key).includes(directory))
    },

    async accountsOf(id, limit) {
      const counted = await database.get<{ count: number }>(COUNT_ACCOUNTS, id)
      const rows = await database.all<{ id: string; directory: string; created_at: number }>(LIST_ACCOUNTS, id, limit)
      return {
        count: counted?.count ?? 0,
        accounts: rows.map((row) => ({
          id: row.id as AccountId,
          directory: row.directory,
          createdAt: toDate(row.created_at),
        })),
      }
    },

    edit: (id, edit) =>
      database.write(async (sql) => {
        lockRows(sql, 'update', THE_LINEAGE, id)
        const lineage = (await sql.all<EabKeyRow>(OF_LINEAGE, id)).map(toEabKey)
        if (lineage.length === 0) return undefined
        const edited = edit(lineage)
        if (edited === undefined) return []
        for (const key of edited.put) {
          if (lineage.some((known) => known.id === key.id)) await putKey(sql, key)
          else await insertEabKeys(sql, [key])
        }
        await appendAudit(sql, ...edited.audit)
        return edited.put
      }),
  }
}

async function putKey(sql: Sql, key: EabKeyRecord): Promise<void> {
  const row = eabKeyRow(key)
  await sql.run(
    PUT,
    row.directories,
    row.label,
    row.owner,
    row.attributes,
    row.member_of,
    row.scope,
    row.max_uses,
    row.expires_at,
    row.accounts_end_at,
    row.revoked_at,
    row.id,
  )
  await sql.run(RECKON_END, key.id)
}
