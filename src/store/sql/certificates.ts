import type { OrderId } from '../../lib/ids.ts'
import { type CertificateRecord, PROOF_AHEAD_MS } from '../records.ts'
import { type CertificateStore, type DamagedReservation, StoreError } from '../store.ts'
import { ACCOUNT_IS_VALID, noteUse } from './account-use.ts'
import { appendAudit } from './audit.ts'
import { HAS_VALIDATED_BY, LIVE } from './authorization-rows.ts'
import { blockKey, isBlocked } from './blocked-keys.ts'
import { BY_ISSUER } from './by-issuer.ts'
import {
  CERTIFICATE_COLUMNS,
  type CertificateRow,
  INSERT_RESERVATION,
  reservationParams,
  toCertificate,
} from './certificate-rows.ts'
import { nextRevocation } from './crls.ts'
import { type Database, lockRows, type Reads, Undo, writeOrUndo } from './database.ts'
import { appendDecision } from './decisions.ts'
import { digest } from './encoding.ts'
import { claimNames } from './issued-names.ts'
import { noteIssued } from './limits.ts'
import { failOrder } from './order-endings.ts'

const KEY_COMPROMISE = 1

// Ready (RFC 8555 §7.1.6) and of a valid account, decided in the statement that claims (KF-B24, KF-E04). An order
// without any authorization is never ready.
const CLAIM_ORDER = `
  UPDATE orders SET processing_at = ?, csr_sha256 = ?, ends_at = NULL
  WHERE id = ? AND account_id = ? AND directory = ?
    AND processing_at IS NULL AND failed_at IS NULL AND certificate_serial IS NULL AND expires_at > ?
    AND EXISTS (
      SELECT 1 FROM accounts
      WHERE accounts.id = orders.account_id AND ${ACCOUNT_IS_VALID}
    )
    AND EXISTS (SELECT 1 FROM order_authorizations held WHERE held.order_id = orders.id)
    AND NOT EXISTS (
      SELECT 1 FROM order_authorizations held JOIN authorizations a ON a.id = held.authorization_id
      WHERE held.order_id = orders.id AND NOT (${LIVE} AND ${HAS_VALIDATED_BY})
    )`

const OPEN = 'issued_at IS NULL AND abandoned_at IS NULL'

const COMPLETE = `
  UPDATE certificates SET certificate_der = ?, certificate_sha256 = ?, issued_at = ?
  WHERE issuer_id = ? AND serial = ? AND ${OPEN}
  RETURNING order_id`

const FINISH_ORDER = `
  UPDATE orders SET certificate_serial = ?, ends_at = ?
  WHERE id = ? AND processing_at IS NOT NULL AND failed_at IS NULL AND certificate_serial IS NULL`

const ABANDON = `
  UPDATE certificates SET abandoned_at = ?
  WHERE issuer_id = ? AND serial = ? AND ${OPEN}
  RETURNING order_id`

const LIST_UNFINISHED = `
  SELECT ${CERTIFICATE_COLUMNS} FROM certificates
  WHERE ${OPEN} AND reserved_at < ? ORDER BY reserved_at, serial LIMIT ?`

// Every issuer that was ever at work has its row of CRL state, so that not every certificate need be read.
const LIST_ISSUERS = `
  SELECT s.issuer_id AS issuer_id FROM crl_state s WHERE EXISTS (
    SELECT 1 FROM certificates c WHERE c.issuer_id = s.issuer_id AND c.not_after > ? AND c.issued_at IS NOT NULL
  ) ORDER BY s.issuer_id`

const FIND = `SELECT ${CERTIFICATE_COLUMNS} FROM certificates WHERE issuer_id = ? AND serial = ?`

const FIND_BY_SERIAL = `${BY_ISSUER}
  SELECT ${CERTIFICATE_COLUMNS} FROM by_issuer JOIN certificates ON issuer_id = by_issuer.id AND serial = ?
  WHERE issued_at IS NOT NULL ORDER BY issuer_id`

const FIND_FOR_ACCOUNT = `${BY_ISSUER}
  SELECT ${CERTIFICATE_COLUMNS} FROM by_issuer JOIN certificates ON issuer_id = by_issuer.id AND serial = ?
  WHERE account_id = ? AND directory = ? AND issued_at IS NOT NULL LIMIT 1`

const REVOKE = `
  UPDATE certificates
  SET revoked_at = ?, revocation_reason = ?, revocation_sequence = ?, revocation_changed_at = ?
  WHERE issuer_id = ? AND serial = ? AND revoked_at IS NULL AND issued_at IS NOT NULL`

// The date of revocation stays (KF-D06).
const RAISE = `
  UPDATE certificates
  SET revocation_reason = ${KEY_COMPROMISE}, revocation_sequence = ?, revocation_changed_at = ?
  WHERE issuer_id = ? AND serial = ? AND revoked_at IS NOT NULL AND revocation_reason <> ${KEY_COMPROMISE}`

const THE_CERTIFICATE = 'SELECT serial FROM certificates WHERE issuer_id = ? AND serial = ?'

interface Key {
  readonly issuerId: string
  readonly serial: string
}

export function createCertificateStore(database: Database): CertificateStore {
  return {
    begin: (certificate, { now, csrSha256, decision, names = [], audit }) =>
      writeOrUndo<Awaited<ReturnType<CertificateStore['begin']>>>(database, async (sql) => {
        if (await isBlocked(sql, certificate.spkiSha256)) return 'key-blocked'
        if (certificate.orderId !== undefined) {
          const at = now.getTime()
          const { changes } = await sql.run(
            CLAIM_ORDER,
            at,
            csrSha256 ?? null,
            certificate.orderId,
            certificate.accountId ?? null,
            certificate.directory ?? null,
            at,
            at,
            at,
            at + PROOF_AHEAD_MS,
          )
          if (changes === 0) return 'not-ready'
        } else if (certificate.accountId !== undefined) await noteUse(sql, certificate.accountId, now)
        const { changes } = await sql.run(INSERT_RESERVATION, ...reservationParams(certificate))
        if (changes === 0) throw new Undo('serial-taken')
        if (!(await claimNames(sql, certificate, names))) throw new Undo('names-changed')
        if (decision !== undefined) await appendDecision(sql, decision)
        await appendAudit(sql, audit)
        return 'begun'
      }),

    complete: (key, { certificateDer, now, names, audit }) =>
      database.write(async (sql) => {
        const at = now.getTime()
        const completed = await sql.get<{ order_id: string | null }>(
          COMPLETE,
          certificateDer,
          digest(certificateDer),
          at,
          key.issuerId,
          key.serial,
        )
        if (completed === undefined) return 'unknown'
        const order = completed.order_id
        const isDone = order === null || (await sql.run(FINISH_ORDER, key.serial, at, order)).changes === 1
        if (names !== undefined) await noteIssued(sql, names, now)
        await appendAudit(sql, audit)
        return isDone ? 'completed' : 'order-ended'
      }),

    abandon: (key, { now, error, decision, audit }) =>
      database.write(async (sql) => {
        const abandoned = await sql.get<{ order_id: string | null }>(ABANDON, now.getTime(), key.issuerId, key.serial)
        if (abandoned === undefined) return
        if (abandoned.order_id !== null) await failOrder(sql, abandoned.order_id, { now, error })
        if (decision !== undefined) await appendDecision(sql, decision)
        await appendAudit(sql, audit)
      }),

    async listUnfinished(before, limit) {
      const rows = await database.all<CertificateRow>(LIST_UNFINISHED, before.getTime(), limit)
      return rows.flatMap((row) => {
        const record = read(row)
        return record instanceof StoreError ? [] : [record]
      })
    },

    async listDamaged(before, limit) {
      const rows = await database.all<CertificateRow>(LIST_UNFINISHED, before.getTime(), limit)
      return rows.flatMap((row) => {
        const record = read(row)
        return record instanceof StoreError ? [damaged(row, record)] : []
      })
    },

    async listIssuers(now) {
      const rows = await database.all<{ issuer_id: string }>(LIST_ISSUERS, now.getTime())
      return rows.map(({ issuer_id }) => issuer_id)
    },

    find: (issuerId, serial) => findCertificate(database, { issuerId, serial }),

    async findBySerial(serial) {
      return (await database.all<CertificateRow>(FIND_BY_SERIAL, serial)).map(toCertificate)
    },

    async findForAccount(directory, accountId, serial) {
      const row = await database.get<CertificateRow>(FIND_FOR_ACCOUNT, serial, accountId, directory)
      return row && toCertificate(row)
    },

    revoke: (key, { now, reason, raiseToKeyCompromise, audit }) =>
      database.write(async (sql) => {
        lockRows(sql, 'update', THE_CERTIFICATE, key.issuerId, key.serial)
        const before = await findCertificate(sql, key)
        if (before?.issuedAt === undefined) return { outcome: 'unknown' }
        const raises = raiseToKeyCompromise && reason === KEY_COMPROMISE
        if (before.revokedAt !== undefined && !(raises && before.revocationReason !== KEY_COMPROMISE)) {
          return { outcome: 'already', certificate: before }
        }
        const at = now.getTime()
        const sequence = await nextRevocation(sql, key.issuerId)
        const { changes } =
          before.revokedAt === undefined
            ? await sql.run(REVOKE, at, reason, sequence, at, key.issuerId, key.serial)
            : await sql.run(RAISE, sequence, at, key.issuerId, key.serial)
        const certificate = await findCertificate(sql, key)
        if (changes !== 1 || certificate === undefined)
          throw new Error(`certificate ${key.serial} changed while it was revoked`)
        if (reason === KEY_COMPROMISE) await blockKey(sql, before.spkiSha256, { now, reason: 'keyCompromise' })
        await appendAudit(sql, audit)
        return { outcome: before.revokedAt === undefined ? 'revoked' : 'raised', certificate }
      }),
  }
}

/** A reservation whose bytes cannot be trusted is never signed, and holds up no other one (KF-E12). */
function read(row: CertificateRow): CertificateRecord | StoreError {
  try {
    return toCertificate(row)
  } catch (error) {
    if (error instanceof StoreError) return error
    throw error
  }
}

function damaged(row: CertificateRow, error: StoreError): DamagedReservation {
  return {
    issuerId: row.issuer_id,
    serial: row.serial,
    ...(row.order_id === null ? {} : { orderId: row.order_id as OrderId }),
    reason: error.message,
  }
}

export async function findCertificate(sql: Reads, { issuerId, serial }: Key): Promise<CertificateRecord | undefined> {
  const row = await sql.get<CertificateRow>(FIND, issuerId, serial)
  return row && toCertificate(row)
}
