import type { Predecessor } from '../store.ts'
import type { Sql } from './database.ts'

const CLAIM = `
  INSERT INTO replacements (issuer_id, serial, order_id, expires_at) VALUES (?, ?, ?, ?)
  ON CONFLICT (issuer_id, serial) DO NOTHING`

// An order that was placed and is not known any more was kept to its end, and so counts as one that succeeded.
const REPLACED_BY = `
  SELECT r.order_id AS order_id,
    CASE WHEN o.id IS NOT NULL AND (
      o.failed_at IS NOT NULL OR (o.certificate_serial IS NULL AND o.processing_at IS NULL AND o.expires_at <= ?)
    ) THEN 1 ELSE 0 END AS is_free
  FROM replacements r LEFT JOIN orders o ON o.id = r.order_id
  WHERE r.issuer_id = ? AND r.serial = ?`

const TAKE_OVER = 'UPDATE replacements SET order_id = ? WHERE issuer_id = ? AND serial = ? AND order_id = ?'

/**
 * Makes the order the one that replaces this certificate. An order that ended invalid frees it again (RFC 9773 §5,
 * CQ-L03).
 *
 * @returns false when another order replaces it
 */
export async function claimReplacement(
  sql: Sql,
  orderId: string,
  { issuerId, serial, notAfter }: Predecessor,
  now: Date,
): Promise<boolean> {
  const claimed = await sql.run(CLAIM, issuerId, serial, orderId, notAfter.getTime())
  if (claimed.changes === 1) return true
  const by = await sql.get<{ order_id: string; is_free: number }>(REPLACED_BY, now.getTime(), issuerId, serial)
  if (by?.is_free !== 1) return false
  return (await sql.run(TAKE_OVER, orderId, issuerId, serial, by.order_id)).changes === 1
}
