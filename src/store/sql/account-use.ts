import { runWithNext, type Sql } from './database.ts'

const NOTE_USE = 'UPDATE accounts SET first_order_at = ? WHERE id = ? AND first_order_at IS NULL'

/** For `lockRows`: what is decided by the account holds until the end of the write. */
export const THE_ACCOUNT = 'SELECT id FROM accounts WHERE id = ?'

/** Notes that the account ordered something, or got a certificate without an order: then it is kept (retention). */
export async function noteUse(sql: Sql, accountId: string, now: Date): Promise<void> {
  await runWithNext(sql, NOTE_USE, now.getTime(), accountId)
}

/** Neither ended nor, at `?`, stopped by the end of its external account key. `accounts` is the row that is asked. */
export const ACCOUNT_IS_VALID = `
  accounts.deactivated_at IS NULL AND accounts.revoked_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM eab_keys k WHERE k.id = accounts.eab_key_id AND k.accounts_end_at <= ?
  )`
