import type { Identifier } from '../../lib/identifier.ts'
import { type AccountId, type OrderId, parseId } from '../../lib/ids.ts'
import type { Logger } from '../../observe/log.ts'
import type { Change, EventMark, HistoryStore, Lineage, LoggedCertificate } from '../history.ts'
import type { ProfileSnapshot, RevocationReason } from '../records.ts'
import { StoreError } from '../store.ts'
import { findAccount } from './accounts.ts'
import { BY_ISSUER } from './by-issuer.ts'
import type { CertificateRow } from './certificate-rows.ts'
import type { Database, Reads } from './database.ts'
import { findEabKey } from './eab-keys.ts'
import { digest, fromJson, intactBytes, listFromJson, type Mutable, toDate } from './encoding.ts'

const LINEAGE_COLUMNS = 'epoch, lineage, started_at, branched_after, finished_at'

const LINEAGES = `SELECT ${LINEAGE_COLUMNS} FROM store_lineages WHERE epoch >= 0 ORDER BY epoch`

const BEGIN_FIRST = `
  INSERT INTO store_lineages (${LINEAGE_COLUMNS}) VALUES (0, ?, ?, 0, ?) ON CONFLICT (epoch) DO NOTHING`

const EVENT_COLUMNS = 'id, at, event, request_id, directory, account_id, order_id, serial, data'

const FIND = `SELECT ${EVENT_COLUMNS} FROM audit_events WHERE id = ?`

const NEWEST = `SELECT ${EVENT_COLUMNS} FROM audit_events WHERE id > 0 ORDER BY id DESC LIMIT 1`

const OLDEST_ID = 'SELECT id FROM audit_events WHERE id > 0 ORDER BY id LIMIT 1'

const FOLLOWED = `
  'certificate.issued', 'certificate.imported', 'certificate.revoked', 'crl.published', 'eab-key.created',
  'eab-key.revoked', 'eab-key.changed', 'account.created', 'account.updated', 'account.key-changed', 'account.deactivated',
  'account.revoked'`

// Most events are of no interest, and then only their number is: it tells whether one is missing between them.
const PAGE = `
  SELECT COUNT(*) AS count, MAX(id) AS newest
  FROM (SELECT id FROM audit_events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?) AS by_id`

const IDS = 'SELECT id FROM audit_events WHERE id > ? AND id <= ? ORDER BY id'

const CHANGES = `
  SELECT id, event, directory, account_id, serial,
    CASE WHEN event LIKE 'eab-key.%' OR event = 'crl.published' THEN data END AS data
  FROM audit_events WHERE id > ? AND id <= ? AND event IN (${FOLLOWED}) ORDER BY id`

// By serial alone: two issuers with one serial would both be told of twice, which does no harm.
const ISSUED = `${BY_ISSUER}
  SELECT issuer_id, order_id, account_id, directory, identifiers, profile, not_after, reserved_at, issued_at,
    certificate_der, certificate_sha256
  FROM by_issuer JOIN certificates ON issuer_id = by_issuer.id AND serial = ? WHERE issued_at IS NOT NULL`

const REVOKED = `${BY_ISSUER}
  SELECT issuer_id, revoked_at, revocation_reason
  FROM by_issuer JOIN certificates ON issuer_id = by_issuer.id AND serial = ? WHERE revoked_at IS NOT NULL`

const NEWEST_POSSIBLE = Number.MAX_SAFE_INTEGER

interface EventRow {
  readonly id: number
  readonly at: number
  readonly event: string
  readonly request_id: string | null
  readonly directory: string | null
  readonly account_id: string | null
  readonly order_id: string | null
  readonly serial: string | null
  readonly data: string
}

type ChangeRow = Pick<EventRow, 'id' | 'event' | 'directory' | 'account_id' | 'serial'> & {
  readonly data: string | null
}

type IssuedRow = Pick<
  CertificateRow,
  'issuer_id' | 'order_id' | 'account_id' | 'directory' | 'identifiers' | 'profile'
> &
  Pick<CertificateRow, 'not_after' | 'reserved_at'> & {
    readonly issued_at: number
    readonly certificate_der: Uint8Array
    readonly certificate_sha256: string
  }

interface RevokedRow {
  readonly issuer_id: string
  readonly revoked_at: number
  readonly revocation_reason: RevocationReason
}

interface LineageRow {
  readonly epoch: number
  readonly lineage: string
  readonly started_at: number
  readonly branched_after: number
  readonly finished_at: number | null
}

export function createHistoryStore(database: Database, log: Logger | undefined): HistoryStore {
  const mark = async (statement: string, ...params: number[]): Promise<EventMark | undefined> => {
    const row = await database.get<EventRow>(statement, ...params)
    return row && toMark(row)
  }
  return {
    lineages: () => readLineages(database),

    beginFirst: (lineage, now) =>
      database.write(async (sql) => {
        await sql.run(BEGIN_FIRST, lineage, now.getTime(), now.getTime())
      }),

    oldestId: async () => (await database.get<{ id: number }>(OLDEST_ID))?.id,
    newest: () => newestMark(database),
    find: (id) => mark(FIND, id),

    // What becomes visible between these statements is at worst told of twice, because the changes are asked for last.
    async changes({ after, upTo = NEWEST_POSSIBLE, limit }) {
      const page = await database.get<{ count: number; newest: number | null }>(PAGE, after, upTo, limit)
      if (page === undefined || page.newest === null) return { changes: [], ids: [], newest: after, count: 0 }
      const { count, newest } = page
      const ids = count === newest - after ? undefined : await database.all<{ id: number }>(IDS, after, newest)
      const changes: Change[] = []
      for (const row of await database.all<ChangeRow>(CHANGES, after, newest)) changes.push(...(await readable(row)))
      return { changes, newest, count, ...(ids && { ids: ids.map(({ id }) => id) }) }
    },
  }

  /** One unreadable row must not stop the log of all others (KF-E12). */
  async function readable(row: ChangeRow): Promise<readonly Change[]> {
    try {
      return await changesOf(database, row)
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'failed') throw error
      log?.error('store.unreadable-row', { eventId: row.id, event: row.event, error })
      return []
    }
  }
}

/** The newest audit event; undefined when there is none. */
export async function newestMark(sql: Reads): Promise<EventMark | undefined> {
  const row = await sql.get<EventRow>(NEWEST)
  return row && toMark(row)
}

export async function readLineages(sql: Reads): Promise<Lineage[]> {
  return (await sql.all<LineageRow>(LINEAGES)).map((row) => {
    const lineage: Mutable<Lineage> = {
      epoch: row.epoch,
      lineage: row.lineage,
      startedAt: toDate(row.started_at),
      branchedAfter: row.branched_after,
    }
    if (row.finished_at !== null) lineage.finishedAt = toDate(row.finished_at)
    return lineage
  })
}

function toMark(row: EventRow): EventMark {
  const { id, at, event, request_id, directory, account_id, order_id, serial, data } = row
  const said = JSON.stringify([id, at, event, request_id, directory, account_id, order_id, serial, data])
  return { id, fingerprint: digest(Buffer.from(said)), at: toDate(at) }
}

/** What an event told of, as it stands now; nothing when it told of nothing that matters or the thing is gone. */
async function changesOf(sql: Reads, row: ChangeRow): Promise<Change[]> {
  switch (row.event) {
    case 'certificate.issued':
    case 'certificate.imported':
      return certificateChange(sql, row)
    case 'certificate.revoked':
      return revocationChange(sql, row)
    case 'account.created':
      return accountChange(sql, row, true)
    case 'account.updated':
    case 'account.key-changed':
    case 'account.deactivated':
    case 'account.revoked':
      return accountChange(sql, row, false)
    case 'eab-key.created':
    case 'eab-key.revoked':
    case 'eab-key.changed':
      return eabKeyChange(sql, row.id, dataOf(row)['keyId'])
    case 'crl.published': {
      const { issuerId, number } = dataOf(row)
      if (typeof issuerId !== 'string' || typeof number !== 'string' || !/^\d{1,48}$/.test(number)) return []
      return [{ id: row.id, kind: 'crl', issuerId, number: BigInt(number) }]
    }
    default:
      return []
  }
}

async function certificateChange(sql: Reads, { id, serial }: ChangeRow): Promise<Change[]> {
  if (serial === null) return []
  const rows = await sql.all<IssuedRow>(ISSUED, serial)
  return rows.map((row) => ({ id, kind: 'certificate', certificate: toLogged(serial, row) }))
}

function toLogged(serial: string, row: IssuedRow): LoggedCertificate {
  const place = { table: 'certificates', id: serial }
  const der = intactBytes(row.certificate_der, row.certificate_sha256, { ...place, column: 'certificate_der' })
  const certificate: Mutable<LoggedCertificate> = {
    issuerId: row.issuer_id,
    serial,
    identifiers: listFromJson<Identifier>(row.identifiers, { ...place, column: 'identifiers' }),
    profile: fromJson<ProfileSnapshot>(row.profile, { ...place, column: 'profile' }),
    notAfter: toDate(row.not_after),
    reservedAt: toDate(row.reserved_at),
    issuedAt: toDate(row.issued_at),
    certificateDer: der,
  }
  if (row.order_id !== null) certificate.orderId = row.order_id as OrderId
  if (row.account_id !== null) certificate.accountId = row.account_id as AccountId
  if (row.directory !== null) certificate.directory = row.directory
  return certificate
}

async function revocationChange(sql: Reads, { id, serial }: ChangeRow): Promise<Change[]> {
  if (serial === null) return []
  return (await sql.all<RevokedRow>(REVOKED, serial)).map((row) => ({
    id,
    kind: 'revocation',
    issuerId: row.issuer_id,
    serial,
    revokedAt: toDate(row.revoked_at),
    reason: row.revocation_reason,
  }))
}

async function accountChange(sql: Reads, row: ChangeRow, isNew: boolean): Promise<Change[]> {
  const id = row.account_id === null ? undefined : parseId('account', row.account_id)
  if (id === undefined || row.directory === null) return []
  const found = await findAccount(sql, row.directory, id)
  if (found === undefined) return []
  // What is only read with an account is logged of the thing itself.
  const { externalKey: _, hasNameGrants: __, ...account } = found
  const change: Change = { id: row.id, kind: 'account', account }
  // The use of an external account key has no event of its own.
  return isNew && account.eabKeyId !== undefined
    ? [change, ...(await eabKeyChange(sql, row.id, account.eabKeyId))]
    : [change]
}

async function eabKeyChange(sql: Reads, id: number, keyId: unknown): Promise<Change[]> {
  const eabKeyId = typeof keyId === 'string' ? parseId('eab-key', keyId) : undefined
  const found = eabKeyId === undefined ? undefined : await findEabKey(sql, eabKeyId)
  if (found === undefined) return []
  const { wrappedMacKey: _, ...key } = found
  return [{ id, kind: 'eab-key', key }]
}

function dataOf(row: ChangeRow): Record<string, unknown> {
  if (row.data === null) return {}
  return fromJson<Record<string, unknown>>(row.data, { table: 'audit_events', id: String(row.id), column: 'data' })
}
