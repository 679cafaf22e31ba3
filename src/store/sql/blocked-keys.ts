import type { BlockedKeyStore } from '../store.ts'
import { appendAudit } from './audit.ts'
import type { Database, Reads, Sql } from './database.ts'

const BLOCK = `
  INSERT INTO blocked_keys (spki_sha256, blocked_at, reason) VALUES (?, ?, ?)
  ON CONFLICT (spki_sha256) DO NOTHING`

const IS_BLOCKED = 'SELECT 1 AS found FROM blocked_keys WHERE spki_sha256 = ?'

/** False when the key was blocked before; its first instant and reason stay. */
export async function blockKey(
  sql: Sql,
  spkiSha256: string,
  { now, reason }: { now: Date; reason: string },
): Promise<boolean> {
  const { changes } = await sql.run(BLOCK, spkiSha256, now.getTime(), reason)
  return changes === 1
}

export async function isBlocked(sql: Reads, spkiSha256: string): Promise<boolean> {
  return (await sql.get(IS_BLOCKED, spkiSha256)) !== undefined
}

export function createBlockedKeyStore(database: Database): BlockedKeyStore {
  return {
    block: (spkiSha256, { now, reason, audit }) =>
      database.write(async (sql) => {
        if (await blockKey(sql, spkiSha256, { now, reason })) await appendAudit(sql, audit)
      }),

    isBlocked: (spkiSha256) => isBlocked(database, spkiSha256),
  }
}
