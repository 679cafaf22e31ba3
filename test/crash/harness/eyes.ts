import { DatabaseSync } from 'node:sqlite'

/** A look into the store by other means than the server's own code. */
export interface Eyes {
  /** Runs a query; `?` stands for each parameter. */
  rows(sql: string, ...parameters: (string | number)[]): Promise<Record<string, unknown>[]>
  /** What the engine itself finds wrong with its files. */
  defects(): Promise<string[]>
  close(): Promise<void>
}

/** Reads beside a running server, or after its end. */
export function sqliteEyes(path: string): Eyes {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
  return {
    rows: async (sql, ...parameters) => database.prepare(sql).all(...parameters) as Record<string, unknown>[],
    defects: async () => {
      const said = database.prepare('PRAGMA integrity_check').all()
      const wrong = said.map((row) => String(row['integrity_check'])).filter((text) => text !== 'ok')
      const orphans = database.prepare('PRAGMA foreign_key_check').all()
      return [...wrong, ...orphans.map((row) => `orphan: ${JSON.stringify(row)}`)]
    },
    close: async () => database.close(),
  }
}
