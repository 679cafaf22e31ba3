import type { IssuedNameStore, NameClaim } from '../issued-names.ts'
import { type CertificateRecord, PROOF_AHEAD_MS } from '../records.ts'
import type { Database, Sql } from './database.ts'
import { toDate } from './encoding.ts'

/** Longer than any period that a rule may count over, in milliseconds. */
const KEPT_MS = 91 * 86_400_000

/** Races for one name that others won, in a row, inside one transaction. */
const ATTEMPTS = 20

const COLUMNS = 'name, position, account_id, issuer_id, serial, reserved_at, not_before, not_after, ends_at'

const CLAIM = `
  INSERT INTO issued_names (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name, position) DO NOTHING`

const POSITION = 'SELECT MAX(position) AS position FROM issued_names WHERE name = ?'

// A certificate that is deleted already was not given up, or it counts all the same.
const ISSUED = `
  FROM issued_names n LEFT JOIN certificates c ON c.issuer_id = n.issuer_id AND c.serial = n.serial
  WHERE n.name = ? AND c.abandoned_at IS NULL AND n.reserved_at <= ?`

const LAST = `
  SELECT n.issuer_id AS issuer_id, n.not_before AS not_before, n.not_after AS not_after, c.revoked_at AS revoked_at
  ${ISSUED} AND n.account_id = ? ORDER BY n.position DESC LIMIT 1`

const NTH = `SELECT n.reserved_at AS reserved_at ${ISSUED} ORDER BY n.position DESC LIMIT 1 OFFSET ?`

interface LastRow {
  readonly issuer_id: string
  readonly not_before: number
  readonly not_after: number
  readonly revoked_at: number | null
}

export function createIssuedNameStore(database: Database): IssuedNameStore {
  return {
    async look({ name, accountId, count, now }) {
      // First, so that a certificate that comes between the statements makes the claim fail and not the answer wrong.
      const newest = await database.get<{ position: number | null }>(POSITION, name)
      const position = newest?.position ?? 0
      if (position === 0) return { position }
      const until = now.getTime() + PROOF_AHEAD_MS
      const last = accountId === undefined ? undefined : await database.get<LastRow>(LAST, name, until, accountId)
      const nth =
        count === undefined ? undefined : await database.get<{ reserved_at: number }>(NTH, name, until, count - 1)
      return {
        position,
        ...(last && {
          last: {
            issuerId: last.issuer_id,
            notBefore: toDate(last.not_before),
            notAfter: toDate(last.not_after),
            isRevoked: last.revoked_at !== null,
          },
        }),
        ...(nth && { countReachedAt: toDate(nth.reserved_at) }),
      }
    },
  }
}

/**
 * Remembers the names of a reservation. In the order of the names, so that two writers wait for each other and not in a
 * circle.
 *
 * @returns false when a name had another certificate since the decision saw it; the write is then to be undone
 */
export async function claimNames(
  sql: Sql,
  certificate: CertificateRecord,
  claims: readonly NameClaim[],
): Promise<boolean> {
  const sorted = [...claims].sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const claim of sorted) if (!(await claimName(sql, certificate, claim))) return false
  return true
}

async function claimName(sql: Sql, certificate: CertificateRecord, { name, seen }: NameClaim): Promise<boolean> {
  const reservedAt = certificate.reservedAt.getTime()
  const notAfter = certificate.notAfter.getTime()
  for (let left = seen === undefined ? ATTEMPTS : 1; left > 0; left--) {
    const last = seen ?? (await sql.get<{ position: number | null }>(POSITION, name))?.position ?? 0
    const { changes } = await sql.run(
      CLAIM,
      name,
      last + 1,
      certificate.accountId ?? null,
      certificate.issuerId,
      certificate.serial,
      reservedAt,
      certificate.notBefore.getTime(),
      notAfter,
      Math.max(notAfter, reservedAt + KEPT_MS),
    )
    if (changes === 1) return true
  }
  return false
}
