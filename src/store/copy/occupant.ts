import type { Reads } from '../sql/database.ts'
import { newestMark } from '../sql/history.ts'
import type { TableShape } from './table-shapes.ts'
import { WRITTEN_BY_CHECKS } from './tables.ts'

/** What a database holds, as far as one must know who is to replace it. */
export interface Occupant {
  /** The newest audit event; id 0 when there is none. */
  readonly newest: { readonly id: number; readonly fingerprint: string }
  /** Ids of the issuing CAs that it has CRLs of. */
  readonly issuers: readonly string[]
}

const ISSUERS = 'SELECT issuer_id FROM crl_state ORDER BY issuer_id'

/** Undefined when no row was ever written there but by `chancery check`. */
export async function occupantOf(sql: Reads, shapes: readonly TableShape[]): Promise<Occupant | undefined> {
  for (const { name } of shapes) {
    if (WRITTEN_BY_CHECKS.has(name)) continue
    if ((await sql.get(`SELECT 1 AS found FROM ${name} LIMIT 1`)) === undefined) continue
    const newest = await newestMark(sql)
    return {
      newest: { id: newest?.id ?? 0, fingerprint: newest?.fingerprint ?? '' },
      issuers: (await sql.all<{ issuer_id: string }>(ISSUERS)).map((row) => row.issuer_id),
    }
  }
  return undefined
}
