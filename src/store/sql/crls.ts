import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CrlRecord, RevocationReason, RevokedEntry } from '../records.ts'
import type { CrlStore } from '../store.ts'
import { appendAudit } from './audit.ts'
import type { Database, Reads, Sql } from './database.ts'
import { digest, intactBytes, toDate } from './encoding.ts'

/** 20 octets, the most that a CRL number may have (RFC 5280 §5.2.3), hold 48 decimal digits with the top bit clear. */
const NUMBER_DIGITS = 48
const NUMBER_LIMIT = 2n ** 159n

/** Revoked certificates are read in pages, so that other reads come in between (KF-D03). */
export const REVOKED_PAGE = 1000

const NEW_STATE = `
  INSERT INTO crl_state (issuer_id, revocation_sequence, covered_sequence, last_number, lease_until)
  VALUES (?, 0, 0, '', 0)
  ON CONFLICT (issuer_id) DO NOTHING`

const NEXT_REVOCATION = `
  UPDATE crl_state SET revocation_sequence = revocation_sequence + 1 WHERE issuer_id = ?
  RETURNING revocation_sequence`

const LATEST = `
  SELECT issuer_id, number, this_update, next_update, crl_der, crl_sha256 FROM crls
  WHERE issuer_id = ? ORDER BY number DESC LIMIT 1`

const PENDING_SINCE = `
  SELECT MIN(revocation_changed_at) AS since FROM certificates
  WHERE issuer_id = ? AND revocation_sequence > COALESCE(
    (SELECT covered_sequence FROM crl_state WHERE crl_state.issuer_id = certificates.issuer_id), 0)`

const LAST_NUMBER = 'SELECT last_number FROM crl_state WHERE issuer_id = ?'

const SEQUENCE = 'SELECT revocation_sequence FROM crl_state WHERE issuer_id = ?'

// Left out only when ended by now, and after having been on a CRL that was issued after that end (KF-D01, KF-D02). By
// now: the last CRL may be of a clock that was ahead for a while (KF-E09).
const REVOKED = `
  SELECT serial, revoked_at, revocation_reason FROM certificates
  WHERE issuer_id = ? AND revoked_at IS NOT NULL AND serial > ? AND NOT EXISTS (
    SELECT 1 FROM crl_state
    WHERE crl_state.issuer_id = certificates.issuer_id
      AND crl_state.covered_sequence >= certificates.revocation_sequence
      AND crl_state.last_this_update > certificates.not_after
      AND certificates.not_after <= ?
  )
  ORDER BY serial LIMIT ?`

const LEASE = `
  UPDATE crl_state SET lease_owner = ?, lease_until = ?
  WHERE issuer_id = ? AND (lease_until <= ? OR lease_owner = ?)`

// Neither the number nor what is covered may go back, whoever builds (KF-D05). Publishing ends the lease, so that
// after a restart nobody waits for the one of the process before.
const ADVANCE = `
  UPDATE crl_state SET last_number = ?, covered_sequence = ?, last_this_update = ?, lease_owner = NULL, lease_until = 0
  WHERE issuer_id = ? AND last_number < ? AND covered_sequence <= ? AND revocation_sequence >= ?`

const RAISE_NUMBER = `
  UPDATE crl_state SET last_number = ?, lease_owner = NULL, lease_until = 0 WHERE issuer_id = ? AND last_number < ?`

const INSERT = `
  INSERT INTO crls (issuer_id, number, this_update, next_update, crl_der, crl_sha256) VALUES (?, ?, ?, ?, ?, ?)`

interface CrlRow {
  readonly issuer_id: string
  readonly number: string
  readonly this_update: number
  readonly next_update: number
  readonly crl_der: Uint8Array
  readonly crl_sha256: string
}

interface RevokedRow {
  readonly serial: string
  readonly revoked_at: number
  readonly revocation_reason: RevocationReason
}

/** The next number in the row of an issuer's revocations, taken in the transaction of the revocation. */
export async function nextRevocation(sql: Sql, issuerId: string): Promise<number> {
  await sql.run(NEW_STATE, issuerId)
  const row = await sql.get<{ revocation_sequence: number }>(NEXT_REVOCATION, issuerId)
  if (row === undefined) throw new Error(`the revocation counter of issuer ${issuerId} is missing`)
  return row.revocation_sequence
}

export async function lastCrlNumber(sql: Reads, issuerId: string): Promise<bigint | undefined> {
  const row = await sql.get<{ last_number: string }>(LAST_NUMBER, issuerId)
  return row === undefined || row.last_number === '' ? undefined : BigInt(row.last_number)
}

/** Sees to it that the next list has a greater number than this; a lower one than the last changes nothing. */
export async function raiseCrlNumber(sql: Sql, issuerId: string, number: bigint): Promise<void> {
  await sql.run(NEW_STATE, issuerId)
  await sql.run(RAISE_NUMBER, renderNumber(number), issuerId, renderNumber(number))
}

export function createCrlStore(database: Database): CrlStore {
  return {
    async latest(issuerId) {
      const row = await database.get<CrlRow>(LATEST, issuerId)
      return row && toCrl(row)
    },

    lastNumber: (issuerId) => lastCrlNumber(database, issuerId),

    async pendingSince(issuerId) {
      const since = (await database.get<{ since: number | null }>(PENDING_SINCE, issuerId))?.since
      return since === null || since === undefined ? undefined : toDate(since)
    },

    async revokedEntries(issuerId, now) {
      // The mark is taken first: what is revoked while the pages are read may or may not be on them, but counts as
      // not covered, and so is on the next CRL for certain.
      const upTo = (await database.get<{ revocation_sequence: number }>(SEQUENCE, issuerId))?.revocation_sequence ?? 0
      const entries: RevokedEntry[] = []
      for (;;) {
        const after = entries.at(-1)?.serial ?? ''
        const rows = await database.all<RevokedRow>(REVOKED, issuerId, after, now.getTime(), REVOKED_PAGE)
        for (const row of rows) entries.push(toEntry(row))
        if (rows.length < REVOKED_PAGE) return { entries, upTo }
        await nextTurn()
      }
    },

    lease: (issuerId, { owner, now, leaseUntil }) =>
      database.write(async (sql) => {
        await sql.run(NEW_STATE, issuerId)
        const { changes } = await sql.run(LEASE, owner, leaseUntil.getTime(), issuerId, now.getTime(), owner)
        return changes === 1
      }),

    publish: (crl, upTo, audit) =>
      database.write(async (sql) => {
        const number = renderNumber(crl.number)
        const thisUpdate = crl.thisUpdate.getTime()
        await sql.run(NEW_STATE, crl.issuerId)
        const { changes } = await sql.run(ADVANCE, number, upTo, thisUpdate, crl.issuerId, number, upTo, upTo)
        if (changes === 0) return 'superseded'
        await sql.run(
          INSERT,
          crl.issuerId,
          number,
          thisUpdate,
          crl.nextUpdate.getTime(),
          crl.crlDer,
          digest(crl.crlDer),
        )
        await appendAudit(sql, audit)
        return 'published'
      }),
  }
}

function renderNumber(number: bigint): string {
  if (number < 0n || number >= NUMBER_LIMIT) throw new Error('a CRL number has 0 to 159 bits (RFC 5280 §5.2.3)')
  return number.toString().padStart(NUMBER_DIGITS, '0')
}

function toCrl(row: CrlRow): CrlRecord {
  const place = { table: 'crls', id: `${row.issuer_id} ${BigInt(row.number)}`, column: 'crl_der' }
  return {
    issuerId: row.issuer_id,
    number: BigInt(row.number),
    thisUpdate: toDate(row.this_update),
    nextUpdate: toDate(row.next_update),
    crlDer: intactBytes(row.crl_der, row.crl_sha256, place),
  }
}

function toEntry(row: RevokedRow): RevokedEntry {
  return { serial: row.serial, revokedAt: toDate(row.revoked_at), reason: row.revocation_reason }
}
