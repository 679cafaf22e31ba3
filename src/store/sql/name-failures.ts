import { type Identifier, identifierKey } from '../../lib/identifier.ts'
import type { PauseRule } from '../limit-store.ts'
import type { AuditEvent } from '../records.ts'
import { appendAudit } from './audit.ts'
import type { Sql } from './database.ts'

const NAME_OF = `
  SELECT directory, account_id, identifier_type, identifier_value, wildcard FROM authorizations WHERE id = ?`

const FIND = 'SELECT failures, last_failed_at FROM name_failures WHERE key = ?'

// Looked for only when a proof failed, so that those that succeed pay nothing for it.
const SUCCESS_SINCE = `
  SELECT 1 AS found FROM authorizations a JOIN challenges c ON c.authorization_id = a.id
  WHERE a.account_id = ? AND a.identifier_value = ? AND a.expires_at > ? AND a.identifier_type = ? AND a.wildcard = ?
    AND c.validated_at > ?
  LIMIT 1`

const NOTE = `
  INSERT INTO name_failures (key, directory, account_id, identifier_type, identifier_value, failures, last_failed_at,
    paused_until, expires_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, last_failed_at = excluded.last_failed_at,
    paused_until = excluded.paused_until, expires_at = excluded.expires_at`

interface NameRow {
  readonly directory: string
  readonly account_id: string
  readonly identifier_type: Identifier['type']
  readonly identifier_value: string
  readonly wildcard: number
}

/**
 * Counts a failed proof of a name by an account, in the transaction that ends it, and pauses the name when they are too
 * many in a row (KF-F04). A proof that succeeded since the last failure begins the count anew.
 */
export async function noteFailure(
  sql: Sql,
  authorizationId: string,
  { now, rule, audit }: { readonly now: Date; readonly rule: PauseRule; readonly audit: AuditEvent },
): Promise<void> {
  const name = await sql.get<NameRow>(NAME_OF, authorizationId)
  if (name === undefined) return
  const at = now.getTime()
  const identifier: Identifier = {
    type: name.identifier_type,
    value: name.wildcard === 1 ? `*.${name.identifier_value}` : name.identifier_value,
  }
  const key = `${name.account_id}/${identifierKey(identifier)}`
  const failures = 1 + (await failuresInARow(sql, key, name))
  const excess = failures - rule.failures
  const seconds = excess < 0 ? 0 : Math.min(rule.seconds * 2 ** Math.min(excess, 30), rule.atMostSeconds)
  const pausedUntil = excess < 0 ? 0 : at + seconds * 1000
  await sql.run(
    NOTE,
    key,
    name.directory,
    name.account_id,
    identifier.type,
    identifier.value,
    failures,
    at,
    pausedUntil,
    // Long enough that who comes back right after the longest pause, and fails again, is paused again.
    Math.max(at, pausedUntil) + rule.atMostSeconds * 1000,
  )
  if (excess >= 0) {
    const data = { identifier, failures, until: new Date(pausedUntil).toISOString() }
    await appendAudit(sql, { ...audit, event: 'name.paused', data })
  }
}

async function failuresInARow(sql: Sql, key: string, name: NameRow): Promise<number> {
  const known = await sql.get<{ failures: number; last_failed_at: number }>(FIND, key)
  if (known === undefined) return 0
  const { failures, last_failed_at: last } = known
  const hasSucceeded = await sql.get(
    SUCCESS_SINCE,
    name.account_id,
    name.identifier_value,
    last,
    name.identifier_type,
    name.wildcard,
    last,
  )
  return hasSucceeded === undefined ? failures : 0
}
