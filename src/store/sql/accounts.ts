import type { AccountId, EabKeyId } from '../../lib/ids.ts'
import type { AccountKey, AccountRecord, Jwk } from '../records.ts'
import type { AccountStore } from '../store.ts'
import { appendAudit } from './audit.ts'
import { type Database, type Reads, Undo, writeOrUndo } from './database.ts'
import { spendEabKey } from './eab-keys.ts'
import { fromJson, listFromJson, type Mutable, toDate, toJson, toMs } from './encoding.ts'
import { failOrdersOfAccount } from './order-endings.ts'
import { NO_CACHE, type RecordCache } from './record-cache.ts'

interface AccountRow {
  readonly id: string
  readonly directory: string
  readonly jwk: string
  readonly thumbprint: string
  readonly spki_sha256: string
  readonly contact: string
  readonly terms_agreed_at: number | null
  readonly external_account_binding: string | null
  readonly eab_key_id: string | null
  readonly created_at: number
  readonly deactivated_at: number | null
  readonly revoked_at: number | null
  readonly key_lineage: string | null
  readonly key_attributes: string | null
  readonly key_groups: string | null
  readonly key_scope: string | null
  readonly key_accounts_end_at: number | null
  readonly has_name_grants: number
}

export const ACCOUNT_COLUMNS = `
  id, directory, jwk, thumbprint, spki_sha256, contact, terms_agreed_at, external_account_binding, eab_key_id,
  created_at, deactivated_at, revoked_at`

const INSERT = `
  INSERT INTO accounts (${ACCOUNT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (directory, thumbprint) DO NOTHING`

// With its external account key as it is now, so that a change of the key counts from the next request on.
const SELECT = `
  SELECT a.id AS id, a.directory AS directory, a.jwk AS jwk, a.thumbprint AS thumbprint, a.spki_sha256 AS spki_sha256,
    a.contact AS contact, a.terms_agreed_at AS terms_agreed_at,
    a.external_account_binding AS external_account_binding, a.eab_key_id AS eab_key_id, a.created_at AS created_at,
    a.deactivated_at AS deactivated_at, a.revoked_at AS revoked_at,
    k.lineage AS key_lineage, k.attributes AS key_attributes, k.member_of AS key_groups, k.scope AS key_scope,
    k.accounts_end_at AS key_accounts_end_at,
    CASE WHEN EXISTS (SELECT 1 FROM name_grants g WHERE g.holder IN (a.id, k.lineage)) THEN 1 ELSE 0 END
      AS has_name_grants
  FROM accounts a LEFT JOIN eab_keys k ON k.id = a.eab_key_id`

const FIND = `${SELECT} WHERE a.directory = ? AND a.id = ?`

const FIND_BY_THUMBPRINT = `${SELECT} WHERE a.directory = ? AND a.thumbprint = ?`

const IS_ACCOUNT_KEY = 'SELECT 1 AS found FROM accounts WHERE spki_sha256 = ? LIMIT 1'

const UPDATE_CONTACT = `
  UPDATE accounts SET contact = ?
  WHERE directory = ? AND id = ? AND deactivated_at IS NULL AND revoked_at IS NULL`

const DEACTIVATE = `
  UPDATE accounts SET deactivated_at = ?
  WHERE directory = ? AND id = ? AND deactivated_at IS NULL AND revoked_at IS NULL`

const END_JOBS = `
  DELETE FROM validation_jobs WHERE challenge_id IN (
    SELECT c.id FROM authorizations a JOIN challenges c ON c.authorization_id = a.id WHERE a.account_id = ?
  )`

const CHANGE_KEY = `
  UPDATE accounts SET jwk = ?, thumbprint = ?, spki_sha256 = ?
  WHERE directory = ? AND id = ? AND thumbprint = ? AND deactivated_at IS NULL AND revoked_at IS NULL`

export function createAccountStore(database: Database, cache: RecordCache = NO_CACHE): AccountStore {
  return {
    create: (account, { now, eab, audit }) =>
      writeOrUndo<Awaited<ReturnType<AccountStore['create']>>>(database, async (sql) => {
        const { changes } = await sql.run(INSERT, ...accountParams(account))
        if (changes === 0) {
          const holder = await findByThumbprint(sql, account.directory, account.thumbprint)
          if (holder === undefined) throw new Error('an account key is taken by an account that cannot be found')
          return { outcome: 'exists', account: holder }
        }
        if (eab !== undefined && !(await spendEabKey(sql, eab, { account, now }))) {
          throw new Undo({ outcome: 'eab-unusable' })
        }
        await appendAudit(sql, audit)
        const created = await findAccount(sql, account.directory, account.id)
        if (created === undefined) throw new Error('an account that was just created cannot be found')
        return { outcome: 'created', account: created }
      }),

    find: (directory, id) =>
      cache.find({
        key: `account ${id}`,
        suits: (account) => account.directory === directory,
        read: () => findAccount(database, directory, id),
        keysOf: () => [`account ${id}`],
        madeOf,
      }),

    findByThumbprint: (directory, thumbprint) => findByThumbprint(database, directory, thumbprint),

    isAccountKey: async (spkiSha256) => (await database.get(IS_ACCOUNT_KEY, spkiSha256)) !== undefined,

    updateContact: (directory, id, contact, audit) =>
      database.write(async (sql) => {
        const { changes } = await sql.run(UPDATE_CONTACT, JSON.stringify(contact), directory, id)
        if (changes === 0) return undefined
        await appendAudit(sql, audit)
        return findAccount(sql, directory, id)
      }),

    deactivate: (directory, id, { now, error, audit }) =>
      database.write(async (sql) => {
        const { changes } = await sql.run(DEACTIVATE, now.getTime(), directory, id)
        if (changes === 1) {
          await failOrdersOfAccount(sql, id, { now, error })
          await sql.run(END_JOBS, id)
          await appendAudit(sql, audit)
        }
        return findAccount(sql, directory, id)
      }),

    changeKey: (directory, id, { oldThumbprint, jwk, thumbprint, spkiSha256, audit }) =>
      database.write(async (sql) => {
        const holder = await findByThumbprint(sql, directory, thumbprint)
        if (holder !== undefined) return { outcome: 'conflict', accountId: holder.id }
        const { changes } = await sql.run(
          CHANGE_KEY,
          JSON.stringify(jwk),
          thumbprint,
          spkiSha256,
          directory,
          id,
          oldThumbprint,
        )
        const account = changes === 0 ? undefined : await findAccount(sql, directory, id)
        if (account === undefined) return { outcome: 'stale' }
        await appendAudit(sql, audit)
        return { outcome: 'changed', account }
      }),
  }
}

/** The account, its external account key, and whoever may hold grants for it. */
function madeOf({ id, eabKeyId, externalKey }: AccountRecord): string[] {
  return [
    id,
    ...(eabKeyId === undefined ? [] : [eabKeyId]),
    ...(externalKey === undefined ? [] : [externalKey.lineage]),
  ]
}

export async function findAccount(sql: Reads, directory: string, id: AccountId): Promise<AccountRecord | undefined> {
  const row = await sql.get<AccountRow>(FIND, directory, id)
  return row && toAccount(row)
}

async function findByThumbprint(sql: Reads, directory: string, thumbprint: string): Promise<AccountRecord | undefined> {
  const row = await sql.get<AccountRow>(FIND_BY_THUMBPRINT, directory, thumbprint)
  return row && toAccount(row)
}

export function accountParams(account: AccountRecord) {
  return [
    account.id,
    account.directory,
    JSON.stringify(account.jwk),
    account.thumbprint,
    account.spkiSha256,
    JSON.stringify(account.contact),
    toMs(account.termsAgreedAt),
    toJson(account.externalAccountBinding),
    account.eabKeyId ?? null,
    account.createdAt.getTime(),
    toMs(account.deactivatedAt),
    toMs(account.revokedAt),
  ]
}

function toAccount(row: AccountRow): AccountRecord {
  const place = { table: 'accounts', id: row.id }
  const account: Mutable<AccountRecord> = {
    id: row.id as AccountId,
    directory: row.directory,
    jwk: fromJson<Jwk>(row.jwk, { ...place, column: 'jwk' }),
    thumbprint: row.thumbprint,
    spkiSha256: row.spki_sha256,
    contact: listFromJson<string>(row.contact, { ...place, column: 'contact' }),
    createdAt: toDate(row.created_at),
  }
  if (row.terms_agreed_at !== null) account.termsAgreedAt = toDate(row.terms_agreed_at)
  if (row.external_account_binding !== null) {
    const column = 'external_account_binding'
    account.externalAccountBinding = fromJson(row.external_account_binding, { ...place, column })
  }
  if (row.eab_key_id !== null) account.eabKeyId = row.eab_key_id as EabKeyId
  if (row.key_lineage !== null) account.externalKey = toAccountKey(row, row.key_lineage)
  if (row.has_name_grants === 1) account.hasNameGrants = true
  if (row.deactivated_at !== null) account.deactivatedAt = toDate(row.deactivated_at)
  if (row.revoked_at !== null) account.revokedAt = toDate(row.revoked_at)
  return account
}

const NO_ATTRIBUTES: AccountKey['attributes'] = Object.freeze({})
const NO_GROUPS: AccountKey['groups'] = Object.freeze([])

function toAccountKey(row: AccountRow, lineage: string): AccountKey {
  const place = { table: 'eab_keys', id: row.eab_key_id ?? lineage }
  const { key_attributes: attributes, key_groups: groups, key_scope: scope, key_accounts_end_at: end } = row
  const key: Mutable<AccountKey> = {
    lineage: lineage as EabKeyId,
    attributes: attributes === null ? NO_ATTRIBUTES : fromJson(attributes, { ...place, column: 'attributes' }),
    groups: groups === null ? NO_GROUPS : listFromJson<string>(groups, { ...place, column: 'member_of' }),
  }
  if (scope !== null) key.scope = listFromJson<string>(scope, { ...place, column: 'scope' })
  if (end !== null) key.accountsEndAt = toDate(end)
  return key
}
