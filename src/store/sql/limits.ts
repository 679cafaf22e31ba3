import { available, CLOCK_DISAGREEMENT_US, gcra, reachUs, spend } from '../../lib/gcra.ts'
import type { Identifier } from '../../lib/identifier.ts'
import type { IssuedNameSet, LimitOutcome, LimitRequest, LimitStore, NamePause } from '../limit-store.ts'
import { StoreError } from '../store.ts'
import { appendAudit } from './audit.ts'
import { type Database, runWithNext, type Sql, Undo, writeOrUndo } from './database.ts'
import { toDate } from './encoding.ts'
import { forCounts, marks, padKeys } from './lists.ts'

interface RateRow {
  readonly key: string
  readonly tat: number
}

interface StandingRow {
  readonly kind: 'set' | 'name'
  readonly key: string
  readonly tat: number
  readonly until_at: number
  readonly failures: number
  readonly directory: string
  readonly account_id: string
  readonly identifier_type: Identifier['type']
  readonly identifier_value: string
}

type PauseRow = Omit<StandingRow, 'kind' | 'tat'>

const PAUSE_COLUMNS =
  'key, paused_until AS until_at, failures, directory, account_id, identifier_type, identifier_value'

const FIND = forCounts((count) => `SELECT key, tat FROM rate_limits WHERE key IN (${marks(count)})`)

// A row that another process changed since it was read is left alone, and then not counted.
const REPLACE = forCounts(
  (count) => `
  INSERT INTO rate_limits (key, tat, previous_tat, expires_at)
  VALUES ${new Array<string>(count).fill('(?, ?, ?, ?)').join(', ')}
  ON CONFLICT (key) DO UPDATE
  SET tat = excluded.tat, previous_tat = excluded.previous_tat, expires_at = excluded.expires_at
  WHERE rate_limits.tat = excluded.previous_tat`,
)

const STANDING = forCounts(
  (count) => `
  SELECT 'set' AS kind, key, tat, renewable_until AS until_at, 0 AS failures, '' AS directory, '' AS account_id,
    '' AS identifier_type, '' AS identifier_value
  FROM issued_name_sets WHERE key = ?
  UNION ALL
  SELECT 'name', key, 0, paused_until, failures, directory, account_id, identifier_type, identifier_value
  FROM name_failures WHERE key IN (${marks(count)}) AND paused_until > ?`,
)

// An instant that no clock of ours could have written, after one that ran ahead, is cut to a full debt.
const NOTE_ISSUED = `
  INSERT INTO issued_name_sets (key, tat, renewable_until) VALUES (?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET
    tat = CASE WHEN issued_name_sets.tat > ? THEN ? WHEN issued_name_sets.tat > ? THEN issued_name_sets.tat ELSE ? END + ?,
    renewable_until = CASE
      WHEN issued_name_sets.renewable_until > excluded.renewable_until THEN issued_name_sets.renewable_until
      ELSE excluded.renewable_until END`

const LIST = 'SELECT key, tat FROM rate_limits WHERE expires_at > ? ORDER BY expires_at DESC LIMIT ?'

const LIST_PAUSES = `
  SELECT ${PAUSE_COLUMNS} FROM name_failures WHERE expires_at > ? AND paused_until > ? ORDER BY expires_at DESC LIMIT ?`

const CLEAR = ['rate_limits', 'name_failures'].map((table) => `DELETE FROM ${table} WHERE key = ?`)

/** Lost races in a row, each of which somebody else won. */
const ATTEMPTS = 20

export function createLimitStore(database: Database): LimitStore {
  return {
    async take(requests, now) {
      const outcome = await untilWon(() => writeOrUndo(database, (sql) => takeAll(sql, requests, toUs(now))))
      if (outcome.outcome === 'taken') return outcome
      // An instant that no clock could have written would hold the key for ever, so it is put right.
      if (outcome.repairs.length > 0)
        await untilWon(() => writeOrUndo(database, (sql) => replaceAll(sql, outcome.repairs)))
      return { outcome: 'refused', key: outcome.key, waitUs: outcome.waitUs }
    },

    async spend(spent, now) {
      if (spent.length === 0) return
      const nowUs = toUs(now)
      await untilWon(() =>
        writeOrUndo(database, async (sql) => {
          const stored = await findAll(
            sql,
            spent.map(({ key }) => key),
          )
          return replaceAll(
            sql,
            spent.map(({ key, rule, units }) => ({
              key,
              tatUs: spend(rule, stored.get(key), nowUs, units),
              previousUs: stored.get(key) ?? 0,
            })),
          )
        }),
      )
    },

    async standing({ set, names }, now) {
      const padded = padKeys(names)
      const rows = await database.all<StandingRow>(STANDING(padded.length), set, ...padded, now.getTime())
      const issued = rows.find(({ kind }) => kind === 'set')
      return {
        ...(issued && { issued: { renewableUntil: toDate(issued.until_at), tatUs: issued.tat } }),
        pauses: rows.filter(({ kind }) => kind === 'name').map(toPause),
      }
    },

    async list({ now, limit }) {
      const rows = await database.all<RateRow>(LIST, now.getTime(), limit)
      return rows.map(({ key, tat }) => ({ key, tatUs: tat })).sort((a, b) => b.tatUs - a.tatUs)
    },

    async listPauses({ now, limit }) {
      const rows = await database.all<PauseRow>(LIST_PAUSES, now.getTime(), now.getTime(), limit)
      return rows.map(toPause)
    },

    clear: (key, audit) =>
      database.write(async (sql) => {
        let changes = 0
        for (const statement of CLEAR) changes += (await sql.run(statement, key)).changes
        if (changes > 0) await appendAudit(sql, audit)
        return changes > 0
      }),
  }
}

/** Remembers in the transaction that completes a certificate that its names were issued. */
export async function noteIssued(sql: Sql, { key, renewableUntil, rule }: IssuedNameSet, now: Date): Promise<void> {
  const nowUs = toUs(now)
  const interval = rule?.intervalUs ?? 0
  const ceiling = nowUs + (rule === undefined ? 0 : reachUs(rule))
  const until = renewableUntil.getTime()
  await runWithNext(sql, NOTE_ISSUED, key, nowUs + interval, until, ceiling, ceiling, nowUs, nowUs, interval)
}

type Attempt = Extract<LimitOutcome, { outcome: 'taken' }> | (Extract<LimitOutcome, { outcome: 'refused' }> & Repairs)

interface Repairs {
  readonly repairs: readonly Replacement[]
}

interface Replacement {
  readonly key: string
  readonly tatUs: number
  /** What was stored; 0 when there was no row. */
  readonly previousUs: number
}

/** Another process changed a row between our read and our write; nothing of ours stays. */
const RACED = Symbol('raced')

async function untilWon<T>(attempt: () => Promise<T | typeof RACED>): Promise<T> {
  for (let left = ATTEMPTS; left > 0; left--) {
    const outcome = await attempt()
    if (outcome !== RACED) return outcome as T
  }
  throw new StoreError('busy', `a rate limit was changed by others ${ATTEMPTS} times in a row`)
}

async function takeAll(sql: Sql, requests: readonly LimitRequest[], nowUs: number): Promise<Attempt> {
  const stored = await findAll(
    sql,
    requests.map(({ key }) => key),
  )
  const repairs: Replacement[] = []
  let longest: { key: string; waitUs: number } | undefined
  for (const { key, rule, least } of requests) {
    const storedUs = stored.get(key)
    const decision = gcra(rule, storedUs, nowUs, least)
    if (decision.allowed) continue
    if (longest === undefined || decision.waitUs > longest.waitUs) longest = { key, waitUs: decision.waitUs }
    if (storedUs !== undefined && decision.tatUs < storedUs)
      repairs.push({ key, tatUs: decision.tatUs, previousUs: storedUs })
  }
  if (longest !== undefined) return { outcome: 'refused', ...longest, repairs }

  const units: number[] = []
  const replacements = requests.map(({ key, rule, least, most }) => {
    const storedUs = stored.get(key)
    const count = Math.max(least, Math.min(most, available(rule, storedUs, nowUs)))
    units.push(count)
    return { key, tatUs: spend(rule, storedUs, nowUs, count), previousUs: storedUs ?? 0 }
  })
  await replaceAll(sql, replacements)
  return { outcome: 'taken', units }
}

async function findAll(sql: Sql, keys: readonly string[]): Promise<Map<string, number>> {
  if (keys.length === 0) return new Map()
  const padded = padKeys(keys)
  const rows = await sql.all<RateRow>(FIND(padded.length), ...padded)
  return new Map(rows.map(({ key, tat }) => [key, tat]))
}

/** In the order of the keys, so that two processes that change the same rows wait for each other and not in a circle. */
async function replaceAll(sql: Sql, replacements: readonly Replacement[]): Promise<void> {
  const sorted = [...replacements].sort((a, b) => (a.key < b.key ? -1 : 1))
  for (let at = 0; at < sorted.length; ) {
    const count = powerAtMost(sorted.length - at)
    const part = sorted.slice(at, at + count)
    const params = part.flatMap(({ key, tatUs, previousUs }) => [key, tatUs, previousUs, expiryMs(tatUs)])
    const { changes } = await sql.run(REPLACE(count), ...params)
    if (changes !== count) throw new Undo(RACED)
    at += count
  }
}

/** Once nothing is owed, and no clock of ours thinks otherwise, the row says nothing any more. */
function expiryMs(tatUs: number): number {
  return Math.ceil((tatUs + CLOCK_DISAGREEMENT_US) / 1000)
}

function powerAtMost(count: number): number {
  return 2 ** Math.floor(Math.log2(count))
}

function toPause(row: PauseRow): NamePause {
  return {
    key: row.key,
    directory: row.directory,
    accountId: row.account_id,
    identifier: { type: row.identifier_type, value: row.identifier_value } satisfies Identifier,
    failures: row.failures,
    pausedUntil: toDate(row.until_at),
  }
}

function toUs(now: Date): number {
  return now.getTime() * 1000
}
