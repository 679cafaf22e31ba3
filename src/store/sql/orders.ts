import type { Identifier } from '../../lib/identifier.ts'
import type { AccountId, OrderId } from '../../lib/ids.ts'
import type {
  AuthorizationRecord,
  OrderRecord,
  OrderWithAuthorizations,
  ProfileSnapshot,
  StoredProblem,
} from '../records.ts'
import type { OrderStore } from '../store.ts'
import { ACCOUNT_IS_VALID, noteUse, THE_ACCOUNT } from './account-use.ts'
import { appendAudit } from './audit.ts'
import {
  AUTHORIZATION_COLUMNS,
  type AuthorizationRow,
  HAS_FAILED,
  insertAuthorizations,
  LIVE,
  THE_AUTHORIZATION,
  toAuthorizations,
} from './authorization-rows.ts'
import { type Database, lockRows, type Sql, type SqlValue, Undo } from './database.ts'
import { fromJson, listFromJson, type Mutable, toDate, toJson, toMs } from './encoding.ts'
import { insertRows } from './insert-rows.ts'
import { holdGrants } from './name-grants.ts'
import { failOrder } from './order-endings.ts'
import { NO_CACHE, type RecordCache } from './record-cache.ts'
import { writeAndRemember } from './remembered-authorizations.ts'
import { claimReplacement } from './replacements.ts'

/** An order beside one challenge of one of its authorizations, as WITH_AUTHORIZATIONS selects them. */
type OrderRow = {
  readonly order_id: string
  readonly order_directory: string
  readonly order_account_id: string
  /** In the first row; NULL in the others. */
  readonly identifiers: string
  readonly order_profile: string
  readonly not_before: number | null
  readonly not_after: number | null
  readonly order_created_at: number
  readonly order_expires_at: number
  readonly processing_at: number | null
  readonly csr_sha256: string | null
  readonly certificate_serial: string | null
  readonly order_failed_at: number | null
  readonly order_error: string | null
  readonly replaces: string | null
} & (AuthorizationRow | { readonly id: null })

const COLUMNS = `
  id, directory, account_id, identifiers, profile, not_before, not_after, created_at, expires_at, processing_at,
  csr_sha256, certificate_serial, failed_at, error, replaces`

// For an account that is valid at this very moment, whatever it was when the request was authenticated (KF-B24).
const INSERT = `
  INSERT INTO orders (${COLUMNS}, ends_at)
  SELECT ?, ?, accounts.id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
  FROM accounts
  WHERE accounts.id = ? AND accounts.directory = ? AND ${ACCOUNT_IS_VALID}`

const INSERT_LINK = 'INSERT INTO order_authorizations (order_id, position, authorization_id)'

// One statement, so that order and authorizations are of one moment; its wide columns are in the first row only.
const WITH_AUTHORIZATIONS = `
  SELECT o.id AS order_id, o.directory AS order_directory, o.account_id AS order_account_id,
    CASE WHEN COALESCE(held.position, 0) + COALESCE(c.position, 0) = 0 THEN o.identifiers END AS identifiers,
    CASE WHEN COALESCE(held.position, 0) + COALESCE(c.position, 0) = 0 THEN o.profile END AS order_profile,
    o.not_before AS not_before, o.not_after AS not_after, o.created_at AS order_created_at,
    o.expires_at AS order_expires_at, o.processing_at AS processing_at, o.csr_sha256 AS csr_sha256,
    o.certificate_serial AS certificate_serial, o.failed_at AS order_failed_at, o.error AS order_error,
    o.replaces AS replaces,
    ${AUTHORIZATION_COLUMNS}
  FROM orders o
  LEFT JOIN order_authorizations held ON held.order_id = o.id
  LEFT JOIN authorizations a ON a.id = held.authorization_id
  LEFT JOIN challenges c ON c.authorization_id = a.id`

const FIND = `${WITH_AUTHORIZATIONS}
  WHERE o.id = ? AND o.account_id = ? AND o.directory = ? ORDER BY held.position, c.position`

const GET = `${WITH_AUTHORIZATIONS} WHERE o.id = ? ORDER BY held.position, c.position`

const USABLE = `
  SELECT a.identifier_type AS type, a.identifier_value AS value, a.wildcard AS wildcard FROM authorizations a
  WHERE a.id = ? AND a.account_id = ? AND a.directory = ? AND ${LIVE} AND NOT ${HAS_FAILED}`

// Invalid orders are left out (RFC 8555 §7.1.2.1): failed, or expired before a finalize.
const IS_LISTED = `
  CASE WHEN failed_at IS NULL AND (certificate_serial IS NOT NULL OR processing_at IS NOT NULL OR expires_at > ?)
    THEN 1 ELSE 0 END AS is_listed`

const LIST_FIRST = `
  SELECT id, created_at, ${IS_LISTED} FROM orders
  WHERE account_id = ? AND directory = ? ORDER BY created_at DESC, id DESC LIMIT ?`

const LIST_AFTER = `
  SELECT id, created_at, ${IS_LISTED} FROM orders
  WHERE account_id = ? AND directory = ? AND (created_at, id) < (?, ?)
  ORDER BY created_at DESC, id DESC LIMIT ?`

/** Orders looked at for one page. Where most are invalid, a page is short, and goes on from there. */
const LOOKED_AT = 1000

export function createOrderStore(database: Database, cache: RecordCache = NO_CACHE): OrderStore {
  const find = (
    id: OrderId,
    suits: (found: OrderWithAuthorizations) => boolean,
    read: () => Promise<readonly OrderRow[]>,
  ): Promise<OrderWithAuthorizations | undefined> =>
    cache.find({
      key: `order ${id}`,
      suits,
      read: async () => toOrderWithAuthorizations(await read()),
      keysOf: () => [`order ${id}`],
      madeOf: ({ authorizations }) => [id, ...authorizations.map((authorization) => authorization.id)],
    })

  return {
    create: (order, { authorizationIds, newAuthorizations, now, replaces, audit }) =>
      writeAndRemember<Awaited<ReturnType<OrderStore['create']>>>(database, cache, async (sql, authorizations) => {
        const made = new Map<string, AuthorizationRecord>(newAuthorizations.map((a) => [a.id, a]))
        if (order.identifiers.length === 0 || authorizationIds.length !== order.identifiers.length) {
          throw new Error(`order ${order.id} must name identifiers, and link one authorization for each`)
        }
        if (!(await holdGrants(sql, newAuthorizations, now))) throw new Undo('stale')
        // Changed before it is locked with others: two that share a row and then want to change it wait for each other.
        await noteUse(sql, order.accountId, now)
        lockRows(sql, 'share', THE_ACCOUNT, order.accountId)
        for (const [position, id] of authorizationIds.entries()) {
          const identifier = order.identifiers[position] as Identifier
          const fresh = made.get(id)
          if (fresh === undefined) lockRows(sql, 'share', THE_AUTHORIZATION, id)
          const proof = fresh ? proofOf(order, fresh) : await findUsable(sql, order, id, now)
          if (proof === undefined) throw new Undo('stale')
          checkProves(order, identifier, proof)
        }
        const { changes } = await sql.run(INSERT, ...toParams(order), order.accountId, order.directory, now.getTime())
        if (changes === 0) throw new Undo('account-ended')
        if (replaces !== undefined && !(await claimReplacement(sql, order.id, replaces, now)))
          throw new Undo('already-replaced')
        await insertAuthorizations(sql, newAuthorizations)
        await insertRows(
          sql,
          INSERT_LINK,
          authorizationIds.map((id, position) => [order.id, position, id]),
        )
        await appendAudit(sql, audit)
        for (const authorization of newAuthorizations) authorizations.leave(authorization)
        return 'created'
      }),

    find: (directory, accountId, id) =>
      find(
        id,
        ({ order }) => order.accountId === accountId && order.directory === directory,
        () => database.all<OrderRow>(FIND, id, accountId, directory),
      ),

    get: (id) =>
      find(
        id,
        () => true,
        () => database.all<OrderRow>(GET, id),
      ),

    listIds: async (directory, accountId, { now, limit, cursor }) => {
      const after = cursor === undefined ? undefined : parseCursor(cursor)
      if (cursor !== undefined && after === undefined) return { orderIds: [] }
      const of = [now.getTime(), accountId, directory]
      const most = Math.max(LOOKED_AT, limit + 1)
      const found: ListedRow[] = []
      let last: ListedRow | undefined
      for (let looked = 0; looked < most; ) {
        // One more than asked for tells whether there is a next page.
        const count = Math.min(most - looked, Math.max(limit + 1 - found.length, 100))
        const from = last === undefined ? after : { createdAt: last.created_at, id: last.id }
        const rows =
          from === undefined
            ? await database.all<ListedRow>(LIST_FIRST, ...of, count)
            : await database.all<ListedRow>(LIST_AFTER, ...of, from.createdAt, from.id, count)
        found.push(...rows.filter(({ is_listed }) => is_listed === 1))
        if (found.length > limit) return toPage(found.slice(0, limit), found[limit - 1])
        if (rows.length < count) return toPage(found, undefined)
        last = rows.at(-1)
        looked += rows.length
      }
      return toPage(found, last)
    },

    fail: (id, { now, error, audit }) =>
      database.write(async (sql) => {
        if (await failOrder(sql, id, { now, error })) await appendAudit(sql, audit)
      }),
  }
}

interface Proof {
  readonly type: string
  readonly value: string
  readonly wildcard: number
}

interface ListedRow {
  readonly id: string
  readonly created_at: number
  readonly is_listed: number
}

/** @param last the order after which the next page begins; undefined on the last page */
function toPage(listed: readonly ListedRow[], last: ListedRow | undefined) {
  const orderIds = listed.map(({ id }) => id as OrderId)
  return last === undefined ? { orderIds } : { orderIds, nextCursor: renderCursor(last) }
}

function proofOf(order: OrderRecord, authorization: AuthorizationRecord): Proof {
  if (authorization.accountId !== order.accountId || authorization.directory !== order.directory) {
    throw new Error(`authorization ${authorization.id} is not of the account of order ${order.id}`)
  }
  return { ...authorization.identifier, wildcard: authorization.wildcard ? 1 : 0 }
}

function findUsable(sql: Sql, order: OrderRecord, id: string, now: Date): Promise<Proof | undefined> {
  return sql.get<Proof>(USABLE, id, order.accountId, order.directory, now.getTime())
}

/** An order whose names are not those that are proven must not come to be, whoever planned it. */
function checkProves(order: OrderRecord, identifier: Identifier, proof: Proof): void {
  const asked = proof.wildcard === 1 ? `*.${proof.value}` : proof.value
  if (proof.type !== identifier.type || asked !== identifier.value) {
    throw new Error(`order ${order.id} links an authorization for ${asked} to its identifier ${identifier.value}`)
  }
}

function toOrderWithAuthorizations(rows: readonly OrderRow[]): OrderWithAuthorizations | undefined {
  const [first] = rows
  if (first === undefined) return undefined
  return { order: toOrder(first), authorizations: toAuthorizations(rows.filter(hasAuthorization)) }
}

/** Without any authorization, an order is one row whose other half is empty. */
function hasAuthorization(row: OrderRow): row is OrderRow & AuthorizationRow {
  return row.id !== null
}

/** Where the next page begins: after the instant and id of the last order of this one. */
function renderCursor({ created_at, id }: ListedRow): string {
  return `${created_at}.${id}`
}

function parseCursor(cursor: string): { createdAt: number; id: string } | undefined {
  const match = /^(\d{1,15})\.([A-Za-z0-9_-]{1,64})$/.exec(cursor)
  return match === null ? undefined : { createdAt: Number(match[1]), id: match[2] as string }
}

function toParams(order: OrderRecord): SqlValue[] {
  const { processingAt, failedAt, expiresAt } = order
  return [
    order.id,
    order.directory,
    JSON.stringify(order.identifiers),
    JSON.stringify(order.profile),
    toMs(order.notBefore),
    toMs(order.notAfter),
    order.createdAt.getTime(),
    expiresAt.getTime(),
    toMs(processingAt),
    order.csrSha256 ?? null,
    order.certificateSerial ?? null,
    toMs(failedAt),
    toJson(order.error),
    order.replaces ?? null,
    toMs(failedAt ?? (processingAt === undefined ? expiresAt : undefined)),
  ]
}

function toOrder(row: OrderRow): OrderRecord {
  const place = { table: 'orders', id: row.order_id }
  const order: Mutable<OrderRecord> = {
    id: row.order_id as OrderId,
    directory: row.order_directory,
    accountId: row.order_account_id as AccountId,
    identifiers: listFromJson<Identifier>(row.identifiers, { ...place, column: 'identifiers' }),
    profile: fromJson<ProfileSnapshot>(row.order_profile, { ...place, column: 'profile' }),
    createdAt: toDate(row.order_created_at),
    expiresAt: toDate(row.order_expires_at),
  }
  if (row.not_before !== null) order.notBefore = toDate(row.not_before)
  if (row.not_after !== null) order.notAfter = toDate(row.not_after)
  if (row.processing_at !== null) order.processingAt = toDate(row.processing_at)
  if (row.csr_sha256 !== null) order.csrSha256 = row.csr_sha256
  if (row.certificate_serial !== null) order.certificateSerial = row.certificate_serial
  if (row.order_failed_at !== null) order.failedAt = toDate(row.order_failed_at)
  if (row.replaces !== null) order.replaces = row.replaces
  if (row.order_error !== null) order.error = fromJson<StoredProblem>(row.order_error, { ...place, column: 'error' })
  return order
}
