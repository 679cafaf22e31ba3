import type { AuthorizationId } from '../../lib/ids.ts'
import type { AuthorizationRecord } from '../records.ts'
import { type AuthorizationStore, type ReuseKey, StoreError } from '../store.ts'
import { ACCOUNT_IS_VALID, THE_ACCOUNT } from './account-use.ts'
import { appendAudit } from './audit.ts'
import {
  AUTHORIZATION_COLUMNS,
  type AuthorizationRow,
  HAS_FAILED,
  HAS_VALIDATED,
  insertAuthorizations,
  LIVE,
  pickChallenge,
  THE_AUTHORIZATION,
  toAuthorizations,
} from './authorization-rows.ts'
import { type Database, lockRows, type Reads, runWithNext, type Sql } from './database.ts'
import { holdGrants } from './name-grants.ts'
import { failOrdersOfAuthorization } from './order-endings.ts'
import { NO_CACHE, type RecordCache } from './record-cache.ts'
import { authorizationKey, challengeKey, REMEMBERED_AUTHORIZATION } from './remembered-authorizations.ts'

const FIND = `
  SELECT ${AUTHORIZATION_COLUMNS}
  FROM authorizations a LEFT JOIN challenges c ON c.authorization_id = a.id
  WHERE a.id = ? AND a.account_id = ? AND a.directory = ?
  ORDER BY c.position`

const FIND_BY_CHALLENGE = `
  SELECT ${AUTHORIZATION_COLUMNS}
  FROM challenges asked
  JOIN authorizations a ON a.id = asked.authorization_id
  JOIN challenges c ON c.authorization_id = a.id
  WHERE asked.id = ? AND a.account_id = ? AND a.directory = ?
  ORDER BY c.position`

// Part of the key of reuse: account and directory, exact name, wildcard, profile (KF-A06, KF-A07).
const SAME_KEY = `
  a.account_id = ? AND a.identifier_value = ? AND a.identifier_type = ? AND a.wildcard = ? AND a.profile = ?
  AND a.directory = ? AND ${LIVE}`

// The newest valid one, else the newest pending one that nobody tried.
const FIND_REUSABLE = `
  SELECT ${AUTHORIZATION_COLUMNS}
  FROM authorizations a LEFT JOIN challenges c ON c.authorization_id = a.id
  WHERE a.id = COALESCE(
    (SELECT a.id FROM authorizations a WHERE ${SAME_KEY} AND ${HAS_VALIDATED}
      ORDER BY a.expires_at DESC, a.id DESC LIMIT 1),
    (SELECT a.id FROM authorizations a WHERE ${SAME_KEY} AND a.created_at > ? AND NOT EXISTS (
        SELECT 1 FROM challenges t WHERE t.authorization_id = a.id
        AND (t.responded_at IS NOT NULL OR t.validated_at IS NOT NULL OR t.failed_at IS NOT NULL)
      )
      ORDER BY a.created_at DESC, a.id DESC LIMIT 1))
  ORDER BY c.position`

const FIND_VALID = `
  SELECT ${AUTHORIZATION_COLUMNS}
  FROM authorizations a LEFT JOIN challenges c ON c.authorization_id = a.id
  WHERE a.account_id = ? AND a.identifier_value = ? AND a.identifier_type = ? AND a.wildcard = ? AND a.directory = ?
    AND ${LIVE} AND ${HAS_VALIDATED}
  ORDER BY a.expires_at DESC, a.id, c.position`

// Pending and valid alike (RFC 8555 §7.5.2); an invalid or expired one is final and stays as it is.
const DEACTIVATE = `
  UPDATE authorizations AS a SET deactivated_at = ?
  WHERE a.id = ? AND a.account_id = ? AND a.directory = ? AND ${LIVE} AND NOT ${HAS_FAILED}`

const VALID_ACCOUNT = `
  SELECT 1 AS found FROM accounts WHERE accounts.id = ? AND accounts.directory = ? AND ${ACCOUNT_IS_VALID}`

const END_JOBS = `
  DELETE FROM validation_jobs WHERE challenge_id IN (SELECT id FROM challenges WHERE authorization_id = ?)`

export async function endJobs(sql: Sql, authorizationId: string): Promise<void> {
  await runWithNext(sql, END_JOBS, authorizationId)
}

export function createAuthorizationStore(database: Database, cache: RecordCache = NO_CACHE): AuthorizationStore {
  const findFor = (
    { directory, accountId }: { readonly directory: string; readonly accountId: string },
    key: string,
    read: () => Promise<AuthorizationRecord | undefined>,
  ): Promise<AuthorizationRecord | undefined> =>
    cache.find({
      key,
      suits: (found) => found.accountId === accountId && found.directory === directory,
      read,
      ...REMEMBERED_AUTHORIZATION,
    })

  return {
    create: (authorization, audit) =>
      database.write(async (sql) => {
        if (!(await holdGrants(sql, [authorization], audit.at))) return 'grant-ended'
        lockRows(sql, 'share', THE_ACCOUNT, authorization.accountId)
        const { accountId, directory } = authorization
        if ((await sql.get(VALID_ACCOUNT, accountId, directory, audit.at.getTime())) === undefined)
          return 'account-ended'
        await insertAuthorizations(sql, [authorization])
        await appendAudit(sql, audit)
        return 'created'
      }),

    find: (directory, accountId, id) =>
      findFor({ directory, accountId }, authorizationKey(id), () => find(database, directory, accountId, id)),

    async findChallenge(directory, accountId, id) {
      const found = await findFor({ directory, accountId }, challengeKey(id), async () => {
        const rows = await database.all<AuthorizationRow>(FIND_BY_CHALLENGE, id, accountId, directory)
        return toAuthorizations(rows)[0]
      })
      return pickChallenge(found, id)
    },

    async findReusable(keys, { now, pendingSince }) {
      const found: (AuthorizationRecord | undefined)[] = []
      for (const key of keys) found.push(await findReusable(database, key, { now, pendingSince }))
      return found
    },

    async findValid(directory, accountId, names, now) {
      const found: AuthorizationRecord[] = []
      for (const { identifier, wildcard } of names) {
        const rows = await database.all<AuthorizationRow>(
          FIND_VALID,
          accountId,
          identifier.value,
          identifier.type,
          wildcard ? 1 : 0,
          directory,
          now.getTime(),
        )
        found.push(...toAuthorizations(rows))
      }
      return found
    },

    deactivate: (directory, accountId, id, { now, error, audit }) =>
      database.write(async (sql) => {
        const at = now.getTime()
        lockRows(sql, 'update', THE_AUTHORIZATION, id)
        const { changes } = await sql.run(DEACTIVATE, at, id, accountId, directory, at)
        if (changes === 1) {
          await failOrdersOfAuthorization(sql, id, { now, error })
          await endJobs(sql, id)
          await appendAudit(sql, audit)
        }
        return find(sql, directory, accountId, id)
      }),
  }
}

async function find(
  sql: Reads,
  directory: string,
  accountId: string,
  id: AuthorizationId,
): Promise<AuthorizationRecord | undefined> {
  return toAuthorizations(await sql.all<AuthorizationRow>(FIND, id, accountId, directory))[0]
}

async function findReusable(
  sql: Reads,
  key: ReuseKey,
  { now, pendingSince }: { now: Date; pendingSince: Date },
): Promise<AuthorizationRecord | undefined> {
  const same = [
    key.accountId,
    key.identifier.value,
    key.identifier.type,
    key.wildcard ? 1 : 0,
    key.profile,
    key.directory,
    now.getTime(),
  ]
  const rows = await sql.all<AuthorizationRow>(FIND_REUSABLE, ...same, ...same, pendingSince.getTime())
  try {
    return toAuthorizations(rows)[0]
  } catch (error) {
    // One unreadable row must not stop every new order of its account (CQ-O15); it is not reused, that is all.
    if (error instanceof StoreError && error.code === 'failed') return undefined
    throw error
  }
}
