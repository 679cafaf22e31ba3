import { DatabaseSync } from 'node:sqlite'

/** Written when a store is opened or closed (`sqlite/nonce-custody.ts`), and by no write. */
const UNCHANGED_BY_WRITES = new Set(['schema_migrations', 'nonce_ledger'])

/** Every row of every table, by another connection, as one text. */
export function dump(file: string): string {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all()
    return tables
      .map(({ name }) => {
        if (UNCHANGED_BY_WRITES.has(String(name))) return ''
        const rows = database.prepare(`SELECT * FROM ${String(name)}`).all()
        return `${String(name)}\n${rows
          .map((row) => JSON.stringify(row))
          .sort()
          .join('\n')}`
      })
      .join('\n')
  } finally {
    database.close()
  }
}
