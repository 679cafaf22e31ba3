import type { AccountId, EabKeyId, NameGrantId } from '../../lib/ids.ts'
import type { NameGrantStore } from '../name-grants.ts'
import type { AuthorizationRecord, NameGrantRecord } from '../records.ts'
import { appendAudit } from './audit.ts'
import { type Database, lockRows, type Reads, type Sql, type SqlValue } from './database.ts'
import { type Mutable, toDate, toMs } from './encoding.ts'
import { insertRows } from './insert-rows.ts'
import { failOrdersOfGrant } from './order-endings.ts'

interface GrantRow {
  readonly id: string
  readonly holder: string
  readonly identifier_type: NameGrantRecord['identifier']['type']
  readonly identifier_value: string
  readonly wildcard: number
  readonly owner: string
  readonly note: string
  readonly created_at: number
  readonly expires_at: number
  readonly revoked_at: number | null
}

const COLUMNS = `
  id, holder, identifier_type, identifier_value, wildcard, owner, note, created_at, expires_at, revoked_at`

const INSERT = `INSERT INTO name_grants (${COLUMNS}, ends_at)`

const FIND = `SELECT ${COLUMNS} FROM name_grants WHERE id = ?`

const LIST = `SELECT ${COLUMNS} FROM name_grants ORDER BY created_at, id`

const LIST_OF_HOLDER = `SELECT ${COLUMNS} FROM name_grants WHERE holder = ? ORDER BY created_at, id`

const FIND_FOR = `
  SELECT ${COLUMNS} FROM name_grants
  WHERE holder = ? AND identifier_value = ? AND identifier_type = ? AND wildcard = ?
    AND revoked_at IS NULL AND expires_at > ?
  ORDER BY expires_at DESC, id LIMIT 1`

/** Whoever relies on a grant locks it before anything else, and so does who ends it. */
const THE_GRANT = 'SELECT id FROM name_grants WHERE id = ?'

const IN_FORCE = 'SELECT 1 AS found FROM name_grants WHERE id = ? AND revoked_at IS NULL AND expires_at > ?'

const REVOKE = 'UPDATE name_grants SET revoked_at = ?, ends_at = ? WHERE id = ? AND revoked_at IS NULL'

const REVOKE_AUTHORIZATIONS = `
  UPDATE authorizations SET revoked_at = ?
  WHERE grant_id = ? AND revoked_at IS NULL AND deactivated_at IS NULL`

/** Locks the grants of these authorizations. @returns whether all of them are in force at `now` */
export async function holdGrants(sql: Sql, made: readonly AuthorizationRecord[], now: Date): Promise<boolean> {
  const ids = new Set(made.flatMap(({ proof }) => proof?.grantId ?? []))
  for (const id of [...ids].sort()) {
    lockRows(sql, 'share', THE_GRANT, id)
    if ((await sql.get(IN_FORCE, id, now.getTime())) === undefined) return false
  }
  return true
}

export function createNameGrantStore(database: Database): NameGrantStore {
  return {
    add: (grants, audit) =>
      database.write(async (sql) => {
        await insertRows(sql, INSERT, grants.map(grantParams))
        await appendAudit(sql, ...audit)
      }),

    async list(holder) {
      const rows =
        holder === undefined ? await database.all<GrantRow>(LIST) : await database.all<GrantRow>(LIST_OF_HOLDER, holder)
      return rows.map(toGrant)
    },

    revoke: (id, { now, error, audit }) =>
      database.write(async (sql) => {
        const at = now.getTime()
        lockRows(sql, 'update', THE_GRANT, id)
        const { changes } = await sql.run(REVOKE, at, at, id)
        if (changes === 1) {
          await sql.run(REVOKE_AUTHORIZATIONS, at, id)
          await failOrdersOfGrant(sql, id, { now, error })
          await appendAudit(sql, audit)
        }
        const row = await sql.get<GrantRow>(FIND, id)
        return row && { outcome: changes === 1 ? 'revoked' : 'already', grant: toGrant(row) }
      }),

    async findFor(holders, names, now) {
      const found: (NameGrantRecord | undefined)[] = []
      for (const name of names) found.push(await findFor(database, holders, name, now))
      return found
    },
  }
}

async function findFor(
  sql: Reads,
  holders: readonly string[],
  { identifier, wildcard }: Pick<AuthorizationRecord, 'identifier' | 'wildcard'>,
  now: Date,
): Promise<NameGrantRecord | undefined> {
  let best: NameGrantRecord | undefined
  for (const holder of holders) {
    const name = [identifier.value, identifier.type, wildcard ? 1 : 0]
    const row = await sql.get<GrantRow>(FIND_FOR, holder, ...name, now.getTime())
    const grant = row && toGrant(row)
    if (grant !== undefined && (best === undefined || best.expiresAt < grant.expiresAt)) best = grant
  }
  return best
}

function grantParams(grant: NameGrantRecord): SqlValue[] {
  const { identifier, createdAt, expiresAt, revokedAt } = grant
  return [
    grant.id,
    grant.holder,
    identifier.type,
    identifier.value,
    grant.wildcard ? 1 : 0,
    grant.owner,
    grant.note,
    createdAt.getTime(),
    expiresAt.getTime(),
    toMs(revokedAt),
    (revokedAt ?? expiresAt).getTime(),
  ]
}

function toGrant(row: GrantRow): NameGrantRecord {
  const grant: Mutable<NameGrantRecord> = {
    id: row.id as NameGrantId,
    holder: row.holder as AccountId | EabKeyId,
    identifier: { type: row.identifier_type, value: row.identifier_value },
    wildcard: row.wildcard === 1,
    owner: row.owner,
    note: row.note,
    createdAt: toDate(row.created_at),
    expiresAt: toDate(row.expires_at),
  }
  if (row.revoked_at !== null) grant.revokedAt = toDate(row.revoked_at)
  return grant
}
