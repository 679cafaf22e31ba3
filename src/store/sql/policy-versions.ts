import type { PolicyVersionStore } from '../decisions.ts'
import { appendAudit } from './audit.ts'
import type { Database } from './database.ts'
import { toDate } from './encoding.ts'

const RECORD = `
  INSERT INTO policy_versions (version, loaded_at, last_loaded_at, author, text) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (version) DO UPDATE SET last_loaded_at = excluded.last_loaded_at`

const FIND = 'SELECT version, loaded_at, author, text FROM policy_versions WHERE version = ?'

const LIST = `
  SELECT version, loaded_at, last_loaded_at, author, LENGTH(text) AS size FROM policy_versions
  ORDER BY last_loaded_at DESC, version LIMIT ?`

interface Row {
  readonly version: string
  readonly loaded_at: number
  readonly author: string
}

export function createPolicyVersionStore(database: Database): PolicyVersionStore {
  return {
    record: ({ version, loadedAt, author, text }, audit) =>
      database.write(async (sql) => {
        await sql.run(RECORD, version, loadedAt.getTime(), loadedAt.getTime(), author, text)
        await appendAudit(sql, audit)
      }),

    async find(version) {
      const row = await database.get<Row & { readonly text: string }>(FIND, version)
      return row && { version: row.version, loadedAt: toDate(row.loaded_at), author: row.author, text: row.text }
    },

    async list(limit) {
      const rows = await database.all<Row & { readonly last_loaded_at: number; readonly size: number }>(LIST, limit)
      return rows.map((row) => ({
        version: row.version,
        loadedAt: toDate(row.loaded_at),
        lastLoadedAt: toDate(row.last_loaded_at),
        author: row.author,
        size: row.size,
      }))
    },
  }
}
