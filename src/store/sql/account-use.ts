import type { Sql } from './database.ts'

const NOTE_USE = 'UPDATE accounts SET first_order_at = ? WHERE id = ? AND first_order_at IS NULL'

/** For `lockRows`: what is decided by the account holds until the end of the write. */
export const THE_ACCOUNT = 'SELECT id FROM accounts WHERE id = ?'

/** Notes that the account ordered something, or got a certificate without an order: then it is kept (retention). */
export async function noteUse(sql: Sql, accountId: string, now: Date): Promise<void> {
  await sql.run(NOTE_USE, now.getTime(), accountId)
}
