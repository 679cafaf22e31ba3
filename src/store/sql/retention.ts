import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RetentionPolicy, RetentionStore } from '../store.ts'
import type { Database, Reads, Sql, SqlValue } from './database.ts'
import { RECKON_END } from './eab-keys.ts'

/** Each table with its key, and what comes before every value of it. */
const TABLES: readonly {
  readonly name: string
  readonly key: readonly string[]
  readonly start: readonly SqlValue[]
}[] = [
  ...[
    ['accounts', 'id'],
    ['eab_keys', 'id'],
    ['name_grants', 'id'],
    ['nonces', 'id'],
    ['orders', 'id'],
    ['authorizations', 'id'],
    ['challenges', 'id'],
    ['validation_jobs', 'challenge_id'],
    ['crl_state', 'issuer_id'],
    ['blocked_keys', 'spki_sha256'],
    ['secrets', 'name'],
    ['rate_limits', 'key'],
    ['issued_name_sets', 'key'],
    ['name_failures', 'key'],
    ['policy_versions', 'version'],
  ].map(([name = '', key = '']) => ({ name, key: [key], start: [''] })),
  ...[
    ['replacements', 'issuer_id', 'serial'],
    ['certificates', 'issuer_id', 'serial'],
    ['crls', 'issuer_id', 'number'],
  ].map(([name = '', ...key]) => ({ name, key, start: ['', ''] })),
  { name: 'issued_names', key: ['name', 'position'], start: ['', -1] },
  { name: 'order_authorizations', key: ['order_id', 'position'], start: ['', -1] },
]

/** Numbered as they came, deleted from the oldest on: millions of wide rows, which nobody should have to read to count them. */
const NUMBERED = ['audit_events', 'decisions']

const ALL_TABLES: ReadonlySet<string> = new Set([...TABLES.map(({ name }) => name), ...NUMBERED])

/** Rows counted by one statement, so that counting a million of them never holds up the event loop (KF-F15). */
const COUNTED_AT_ONCE = 10_000

const DELETE_NONCES = `
  DELETE FROM nonces WHERE id IN (SELECT id FROM nonces WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`

// Asked once more of the row that is deleted, because its end may have been put off while we waited for it.
const DELETE_LIMITS = [
  ['rate_limits', 'expires_at'],
  ['issued_name_sets', 'renewable_until'],
  ['name_failures', 'expires_at'],
].map(
  ([table, end]) => `
  DELETE FROM ${table} WHERE ${end} <= ?
    AND key IN (SELECT key FROM ${table} WHERE ${end} <= ? ORDER BY ${end} LIMIT ?)`,
)

const DELETE_REPLACEMENTS = `
  DELETE FROM replacements WHERE (issuer_id, serial) IN (
    SELECT issuer_id, serial FROM replacements WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
  )`

// Only a final order has an end that is past; while one is processing it has none.
const ENDED_ORDERS = `
  SELECT id, (SELECT COUNT(*) FROM order_authorizations held WHERE held.order_id = orders.id) AS dependents
  FROM orders WHERE ends_at <= ? ORDER BY ends_at LIMIT ?`

const DELETE_ORDER = 'DELETE FROM orders WHERE id = ?'

const ENDED_AUTHORIZATIONS = `
  SELECT id, (SELECT COUNT(*) FROM challenges c WHERE c.authorization_id = authorizations.id) AS dependents
  FROM authorizations
  WHERE expires_at <= ? AND NOT EXISTS (
    SELECT 1 FROM order_authorizations held WHERE held.authorization_id = authorizations.id
  )
  ORDER BY expires_at LIMIT ?`

const DELETE_AUTHORIZATION = 'DELETE FROM authorizations WHERE id = ?'

// A revoked certificate stays until a CRL that was issued after its end has listed it (KF-D01); an open
// reservation stays until it is completed or given up.
const NO_MORE_NEEDED = `
  (issued_at IS NOT NULL OR abandoned_at IS NOT NULL) AND (revoked_at IS NULL OR EXISTS (
    SELECT 1 FROM crl_state
    WHERE crl_state.issuer_id = certificates.issuer_id
      AND crl_state.covered_sequence >= certificates.revocation_sequence
      AND crl_state.last_this_update > certificates.not_after
  ))`

// Asked once more of the row that is deleted, because it may have been revoked while we waited for it.
const DELETE_CERTIFICATES = `
  DELETE FROM certificates WHERE (issuer_id, serial) IN (
    SELECT issuer_id, serial FROM certificates WHERE not_after <= ? AND ${NO_MORE_NEEDED} ORDER BY not_after LIMIT ?
  ) AND ${NO_MORE_NEEDED}`

const DELETE_ISSUED_NAMES = `
  DELETE FROM issued_names WHERE (name, position) IN (
    SELECT name, position FROM issued_names WHERE ends_at <= ? ORDER BY ends_at LIMIT ?
  )`

const DELETE_CRLS = `
  DELETE FROM crls WHERE (issuer_id, number) IN (
    SELECT crls.issuer_id, crls.number FROM crls JOIN crl_state ON crl_state.issuer_id = crls.issuer_id
    WHERE crls.number < crl_state.last_number LIMIT ?
  )`

// Asked once more of the row that is deleted, because its expiry may have been put off while we waited for it.
const DELETE_EAB_KEYS = `
  DELETE FROM eab_keys WHERE id IN (SELECT id FROM eab_keys WHERE ends_at <= ? ORDER BY ends_at LIMIT ?)
    AND ends_at <= ?`

// Authorizations that came of a grant ended before it, or with it.
const DELETE_GRANTS = `
  DELETE FROM name_grants WHERE id IN (SELECT id FROM name_grants WHERE ends_at <= ? ORDER BY ends_at LIMIT ?)`

// A key ends once no account depends on it any more.
const DELETE_ACCOUNTS = `
  DELETE FROM accounts WHERE id IN (
    SELECT id FROM accounts
    WHERE first_order_at IS NULL AND created_at <= ?
      AND NOT EXISTS (SELECT 1 FROM authorizations WHERE authorizations.account_id = accounts.id)
    ORDER BY created_at LIMIT ?
  )
  RETURNING eab_key_id`

// They stand in the order of their instants, but for jumps of the clock; so the oldest few are looked at, and an
// index on the instant, which every issuance would pay for, is not needed.
const [DELETE_EVENTS = '', DELETE_DECISIONS = ''] = ['audit_events', 'decisions'].map(
  (table) => `
  DELETE FROM ${table} WHERE id IN (
    SELECT id FROM (SELECT id, at FROM ${table} ORDER BY id LIMIT ?) AS oldest WHERE at <= ?
  )`,
)

// No decision that is kept was made by a policy whose place another took before that. Asked once more of the row that is
// deleted, because the policy may have been loaded again while we waited for it.
const DELETE_VERSIONS = `
  DELETE FROM policy_versions WHERE last_loaded_at < ? AND version IN (
    SELECT version FROM policy_versions AS older WHERE EXISTS (
      SELECT 1 FROM policy_versions AS newer
      WHERE newer.last_loaded_at > older.last_loaded_at AND newer.last_loaded_at <= ?
    ) ORDER BY last_loaded_at LIMIT ?
  )`

export function createRetentionStore(database: Database): RetentionStore {
  return {
    sweep: (policy, { now, batch }) => database.write((sql) => sweep(sql, policy, { now, batch })),

    async counts() {
      const counts: Record<string, number> = {}
      for (const table of TABLES) counts[table.name] = await countRows(database, table)
      for (const name of NUMBERED) counts[name] = await countNumbers(database, name)
      return counts
    },

    async holdsAny(tables) {
      for (const name of tables) {
        if (!ALL_TABLES.has(name)) throw new Error(`there is no table ${name}`)
        if ((await database.get(`SELECT 1 AS found FROM ${name} LIMIT 1`)) !== undefined) return true
      }
      return false
    },
  }
}

/** Steps through the key, so that it takes no longer at a time for a long table than for a short one. */
async function countRows(database: Reads, { name, key, start }: (typeof TABLES)[number]): Promise<number> {
  const columns = key.join(', ')
  const after = `FROM ${name} WHERE (${columns}) > (${key.map(() => '?').join(', ')})`
  const step = `SELECT ${columns} ${after} ORDER BY ${columns} LIMIT 1 OFFSET ${COUNTED_AT_ONCE - 1}`
  let last = start
  for (let counted = 0; ; counted += COUNTED_AT_ONCE) {
    const next = await database.get<Record<string, SqlValue>>(step, ...last)
    if (next === undefined) {
      return (
        counted + ((await database.get<{ count: number }>(`SELECT COUNT(*) AS count ${after}`, ...last))?.count ?? 0)
      )
    }
    last = key.map((column) => next[column] ?? null)
    await nextTurn()
  }
}

async function countNumbers(database: Reads, name: string): Promise<number> {
  // Both ends in one SELECT would be looked for in every row.
  const end = (which: 'MIN' | 'MAX') => database.get<{ id: number | null }>(`SELECT ${which}(id) AS id FROM ${name}`)
  const [oldest, newest] = [(await end('MIN'))?.id, (await end('MAX'))?.id]
  return typeof oldest === 'number' && typeof newest === 'number' ? newest - oldest + 1 : 0
}

async function sweep(sql: Sql, policy: RetentionPolicy, { now, batch }: { now: Date; batch: number }): Promise<number> {
  const before = (seconds: number): number => now.getTime() - seconds * 1000
  const endedOrders = before(policy.finalOrdersSeconds)
  let left = batch
  const remove = async (statement: string, ...params: number[]): Promise<void> => {
    if (left > 0) left -= (await sql.run(statement, ...params, left)).changes
  }

  await remove(DELETE_NONCES, now.getTime())
  for (const statement of DELETE_LIMITS) await remove(statement, now.getTime(), now.getTime())
  left -= await removeWhole(sql, { find: ENDED_ORDERS, remove: DELETE_ORDER, before: endedOrders, left, batch })
  left -= await removeWhole(sql, {
    find: ENDED_AUTHORIZATIONS,
    remove: DELETE_AUTHORIZATION,
    before: endedOrders,
    left,
    batch,
  })
  await remove(DELETE_CERTIFICATES, before(policy.expiredCertificatesSeconds))
  await remove(DELETE_REPLACEMENTS, now.getTime())
  await remove(DELETE_ISSUED_NAMES, now.getTime())
  await remove(DELETE_CRLS)
  const endedKeys = before(policy.spentEabKeysSeconds)
  if (left > 0) left -= (await sql.run(DELETE_EAB_KEYS, endedKeys, left, endedKeys)).changes
  await remove(DELETE_GRANTS, endedKeys)
  if (left > 0) left -= await removeAccounts(sql, before(policy.unusedAccountsSeconds), left)
  for (const [statement, seconds] of [
    [DELETE_EVENTS, policy.auditSeconds],
    [DELETE_DECISIONS, policy.decisionsSeconds],
  ] as const)
    if (left > 0) left -= (await sql.run(statement, left, before(seconds))).changes
  const replaced = before(policy.decisionsSeconds)
  await remove(DELETE_VERSIONS, replaced, replaced)
  return batch - left
}

async function removeAccounts(sql: Sql, before: number, limit: number): Promise<number> {
  const removed = await sql.all<{ eab_key_id: string | null }>(DELETE_ACCOUNTS, before, limit)
  for (const key of new Set(removed.map(({ eab_key_id }) => eab_key_id))) {
    if (key !== null) await sql.run(RECKON_END, key)
  }
  return removed.length
}

/**
 * Removes things that go together with their dependent rows, all of one or none of it. Where a single one has more
 * rows than a whole batch may have, it goes alone, so that small batches get on.
 *
 * @returns how many rows went, dependents included
 */
async function removeWhole(
  sql: Sql,
  { find, remove, before, left, batch }: { find: string; remove: string; before: number; left: number; batch: number },
): Promise<number> {
  if (left <= 0) return 0
  let removed = 0
  for (const { id, dependents } of await sql.all<{ id: string; dependents: number }>(find, before, left)) {
    const rows = 1 + dependents
    if (removed + rows > left && (removed > 0 || left < batch)) break
    await sql.run(remove, id)
    removed += rows
  }
  return removed
}
