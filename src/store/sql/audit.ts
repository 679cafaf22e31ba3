import type { AuditEvent } from '../records.ts'
import type { AuditStore } from '../store.ts'
import type { Database, Sql, SqlValue } from './database.ts'
import { fromJson, type Mutable, toDate } from './encoding.ts'
import { insertRows } from './insert-rows.ts'

interface AuditRow {
  readonly id: number
  readonly at: number
  readonly event: string
  readonly request_id: string | null
  readonly directory: string | null
  readonly account_id: string | null
  readonly order_id: string | null
  readonly serial: string | null
  readonly data: string
}

const INSERT = `
  INSERT INTO audit_events (at, event, request_id, directory, account_id, order_id, serial, data)`

// Each kind of reference is looked up in its own index, so that no event is read that does not match.
const FIND_BY_REFERENCE = `
  SELECT id, at, event, request_id, directory, account_id, order_id, serial, data FROM audit_events WHERE id IN (
    SELECT id FROM (SELECT id FROM audit_events WHERE request_id = ? ORDER BY id LIMIT ?) AS by_request
    UNION SELECT id FROM (SELECT id FROM audit_events WHERE account_id = ? ORDER BY id LIMIT ?) AS by_account
    UNION SELECT id FROM (SELECT id FROM audit_events WHERE order_id = ? ORDER BY id LIMIT ?) AS by_order
    UNION SELECT id FROM (SELECT id FROM audit_events WHERE serial = ? ORDER BY id LIMIT ?) AS by_serial
  ) ORDER BY id LIMIT ?`

const FIND_PROOFS = `
  SELECT id, at, event, request_id, directory, account_id, order_id, serial, data FROM audit_events
  WHERE account_id = ? AND at >= ? AND at <= ? AND event IN ('validation.succeeded', 'validation.failed')
  ORDER BY id LIMIT ?`

/** Writes events in the transaction of the thing they tell of. */
export async function appendAudit(sql: Sql, ...events: readonly AuditEvent[]): Promise<void> {
  await insertRows(sql, INSERT, events.map(toParams))
}

function toParams(event: AuditEvent): SqlValue[] {
  return [
    event.at.getTime(),
    event.event,
    event.requestId ?? null,
    event.directory ?? null,
    event.accountId ?? null,
    event.orderId ?? null,
    event.serial ?? null,
    JSON.stringify(event.data),
  ]
}

export function createAuditStore(database: Database): AuditStore {
  return {
    async append(events) {
      if (events.length === 0) return
      await database.write((sql) => appendAudit(sql, ...events))
    },

    async findByReference(reference, limit) {
      const one = [reference, limit] as const
      const rows = await database.all<AuditRow>(FIND_BY_REFERENCE, ...one, ...one, ...one, ...one, limit)
      return rows.map(toEvent)
    },

    async findProofs(accountId, { from, to, limit }) {
      const rows = await database.all<AuditRow>(FIND_PROOFS, accountId, from.getTime(), to.getTime(), limit)
      return rows.map(toEvent)
    },
  }
}

function toEvent(row: AuditRow): AuditEvent {
  const event: Mutable<AuditEvent> = {
    at: toDate(row.at),
    event: row.event,
    data: fromJson<Record<string, unknown>>(row.data, { table: 'audit_events', id: String(row.id), column: 'data' }),
  }
  if (row.request_id !== null) event.requestId = row.request_id
  if (row.directory !== null) event.directory = row.directory
  if (row.account_id !== null) event.accountId = row.account_id
  if (row.order_id !== null) event.orderId = row.order_id
  if (row.serial !== null) event.serial = row.serial
  return event
}
