import type { Decision, PolicyRequest, Requester } from '../../policy/decision.ts'
import type { DecisionRecord, DecisionStore } from '../decisions.ts'
import { StoreError } from '../store.ts'
import { appendAudit } from './audit.ts'
import { type Database, runWithNext, type Sql } from './database.ts'
import { fromJson, type Mutable, toDate } from './encoding.ts'

interface DecisionRow {
  readonly id: number
  readonly at: number
  readonly stage: PolicyRequest['stage']
  readonly outcome: Decision['outcome']
  readonly reference: string | null
  readonly order_id: string | null
  readonly serial: string | null
  readonly version: string | null
  readonly request: string
  readonly decision: string
}

const READ_COLUMNS = 'id, at, stage, outcome, reference, order_id, serial, version, request, decision'

const INSERT = `
  INSERT INTO decisions
    (at, stage, outcome, reference, directory, account_id, order_id, serial, version, request, decision)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Each kind of reference is looked up in its own index, so that no decision is read that does not match.
const FIND = `
  SELECT ${READ_COLUMNS} FROM decisions WHERE id IN (
    SELECT id FROM (SELECT id FROM decisions WHERE reference = ? ORDER BY id LIMIT ?) AS by_reference
    UNION SELECT id FROM (SELECT id FROM decisions WHERE order_id = ? ORDER BY id LIMIT ?) AS by_order
  ) ORDER BY id LIMIT ?`

const PAGE = `SELECT ${READ_COLUMNS} FROM decisions WHERE id < ? ORDER BY id DESC LIMIT ?`

/** Writes a decision in the transaction of what came of it. */
export async function appendDecision(sql: Sql, record: DecisionRecord): Promise<void> {
  const { request, decision } = record
  const { at, stage, requester, ...facts } = request
  const { outcome, version, ...answer } = decision
  const account = requester.kind === 'account' ? requester : undefined
  await runWithNext(
    sql,
    INSERT,
    at.getTime(),
    stage,
    outcome,
    record.reference ?? null,
    account?.directory ?? null,
    account?.accountId ?? null,
    record.orderId ?? null,
    record.serial ?? null,
    version ?? null,
    JSON.stringify({ requester, ...facts }),
    JSON.stringify(answer),
  )
}

export function createDecisionStore(database: Database): DecisionStore {
  return {
    append: (decision, audit) =>
      database.write(async (sql) => {
        await appendDecision(sql, decision)
        await appendAudit(sql, audit)
      }),

    async find(reference, limit) {
      const one = [reference, limit] as const
      return (await database.all<DecisionRow>(FIND, ...one, ...one, limit)).map(toDecision)
    },

    // Ids rise with time but for jumps of the clock, so the newest are read until a whole page of them is too old; an
    // index on the instant, which every issuance would pay for, is not needed.
    async page({ since, limit, before = Number.MAX_SAFE_INTEGER }) {
      const rows = await database.all<DecisionRow>(PAGE, before, limit)
      const fitting = rows.filter(({ at }) => at >= since.getTime())
      const read = fitting.map(readable)
      const decisions = read.filter((one) => one !== undefined)
      const last = rows.at(-1)
      const isLast = rows.length < limit || fitting.length === 0
      return {
        decisions,
        unreadable: read.length - decisions.length,
        ...(!isLast && last !== undefined && { next: last.id }),
      }
    },
  }
}

function readable(row: DecisionRow): DecisionRecord | undefined {
  try {
    return toDecision(row)
  } catch (error) {
    if (error instanceof StoreError) return undefined
    throw error
  }
}

/** @throws {StoreError} `failed` when the row cannot be read (KF-E12) */
function toDecision(row: DecisionRow): DecisionRecord {
  const place = { table: 'decisions', id: String(row.id) }
  const { requester, proofs, ...facts } = fromJson<Omit<PolicyRequest, 'at' | 'stage'> & { requester: Requester }>(
    row.request,
    { ...place, column: 'request' },
  )
  const { reasons, ...answer } = fromJson<Pick<Decision, 'reasons'>>(row.decision, { ...place, column: 'decision' })
  const decision = {
    outcome: row.outcome,
    reasons: withInstant(reasons, 'retryAt'),
    ...answer,
    ...(row.version !== null && { version: row.version }),
  } as Decision
  const record: Mutable<DecisionRecord> = {
    request: {
      requester,
      stage: row.stage,
      ...facts,
      ...(proofs !== undefined && { proofs: withInstant(proofs, 'at') }),
      at: toDate(row.at),
    },
    decision,
  }
  if (row.reference !== null) record.reference = row.reference
  if (row.order_id !== null) record.orderId = row.order_id
  if (row.serial !== null) record.serial = row.serial
  return record
}

/** JSON knows no instants: those of these members are made again from their text. */
function withInstant<T extends object>(items: readonly T[], member: string): T[] {
  return items.map((item) => {
    const text = (item as Readonly<Record<string, unknown>>)[member]
    return typeof text === 'string' ? { ...item, [member]: new Date(text) } : item
  })
}
