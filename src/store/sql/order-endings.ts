import type { StoredProblem } from '../records.ts'
import type { Sql } from './database.ts'

/**
 * An order that may still become invalid by what happens elsewhere (RFC 8555 §7.1.6): not final, and no finalize
 * accepted yet. Once it is processing, the certificate may already be signed, and the order is left to its end.
 */
const UNFINISHED = 'failed_at IS NULL AND certificate_serial IS NULL AND processing_at IS NULL AND expires_at > ?'

const FAIL_ORDERS_OF_ACCOUNT = `
  UPDATE orders SET failed_at = ?, error = ?, ends_at = ? WHERE account_id = ? AND ${UNFINISHED}`

const FAIL_ORDERS_OF_AUTHORIZATION = `
  UPDATE orders SET failed_at = ?, error = ?, ends_at = ?
  WHERE id IN (SELECT order_id FROM order_authorizations WHERE authorization_id = ?) AND ${UNFINISHED}`

const FAIL_ORDERS_OF_GRANT = `
  UPDATE orders SET failed_at = ?, error = ?, ends_at = ?
  WHERE id IN (
    SELECT held.order_id FROM authorizations a JOIN order_authorizations held ON held.authorization_id = a.id
    WHERE a.grant_id = ?
  ) AND ${UNFINISHED}`

const FAIL_ORDER = `
  UPDATE orders SET failed_at = ?, error = ?, ends_at = ?
  WHERE id = ? AND failed_at IS NULL AND certificate_serial IS NULL`

export async function failOrdersOfAccount(
  sql: Sql,
  accountId: string,
  { now, error }: { now: Date; error: StoredProblem },
): Promise<void> {
  const at = now.getTime()
  await sql.run(FAIL_ORDERS_OF_ACCOUNT, at, JSON.stringify(error), at, accountId, at)
}

export async function failOrdersOfAuthorization(
  sql: Sql,
  authorizationId: string,
  { now, error }: { now: Date; error: StoredProblem },
): Promise<void> {
  const at = now.getTime()
  await sql.run(FAIL_ORDERS_OF_AUTHORIZATION, at, JSON.stringify(error), at, authorizationId, at)
}

export async function failOrdersOfGrant(
  sql: Sql,
  grantId: string,
  { now, error }: { now: Date; error: StoredProblem },
): Promise<void> {
  const at = now.getTime()
  await sql.run(FAIL_ORDERS_OF_GRANT, at, JSON.stringify(error), at, grantId, at)
}

/** Fails an order without a certificate, processing or not; false when there was nothing to fail. */
export async function failOrder(
  sql: Sql,
  orderId: string,
  { now, error }: { now: Date; error: StoredProblem },
): Promise<boolean> {
  const at = now.getTime()
  const { changes } = await sql.run(FAIL_ORDER, at, JSON.stringify(error), at, orderId)
  return changes === 1
}
