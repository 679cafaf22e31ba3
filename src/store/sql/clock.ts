import { PROOF_AHEAD_MS } from '../records.ts'
import type { ClockStore } from '../store.ts'
import { appendAudit } from './audit.ts'
import type { Database, Sql } from './database.ts'
import { toDate } from './encoding.ts'

// Only ever forward: a clock that went back must not take the memory of the right time with it.
const NOTE = `
  INSERT INTO heartbeat (id, at) VALUES (1, ?)
  ON CONFLICT (id) DO UPDATE SET at = CASE WHEN excluded.at > heartbeat.at THEN excluded.at ELSE heartbeat.at END`

const READ = 'SELECT at FROM heartbeat WHERE id = 1'

// The newest event is of the last thing that was done, between two notes.
const LAST_EVENT = 'SELECT at FROM audit_events WHERE id = (SELECT MAX(id) FROM audit_events)'

const RESET = 'UPDATE heartbeat SET at = ? WHERE id = 1'

// They count for nothing already; without this they would be good again once the instant comes that they name.
const END_PROOFS_AHEAD = `
  UPDATE authorizations SET expires_at = ? WHERE expires_at > ? AND COALESCE(
    proved_at, (SELECT MAX(v.validated_at) FROM challenges v WHERE v.authorization_id = authorizations.id), 0
  ) > ?`

interface Row {
  readonly at: number
}

/** Writes the instant down; a small write for `ping` too. */
export async function noteInstant(sql: Sql, now: Date): Promise<void> {
  await sql.run(NOTE, now.getTime())
}

export function createClockStore(database: Database): ClockStore {
  return {
    note: (now) => database.write((sql) => noteInstant(sql, now)),

    async newestSeen() {
      const rows = [await database.get<Row>(READ), await database.get<Row>(LAST_EVENT)]
      const seen = rows.flatMap((row) => row?.at ?? [])
      return seen.length === 0 ? undefined : toDate(Math.max(...seen))
    },

    accept: (now, audit) =>
      database.write(async (sql) => {
        const at = now.getTime()
        await sql.run(RESET, at)
        await sql.run(END_PROOFS_AHEAD, at, at, at + PROOF_AHEAD_MS)
        await appendAudit(sql, audit)
      }),
  }
}
