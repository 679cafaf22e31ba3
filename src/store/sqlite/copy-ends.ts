import type { DatabaseSync } from 'node:sqlite'
import type { CopySource, CopyTarget } from '../copy/copy-rows.ts'
import { Statements } from './connection.ts'

const LAST_NUMBER = 'SELECT seq AS last FROM sqlite_sequence WHERE name = ?'

// Inserted rows have raised it to the greatest of their own numbers already.
const RAISE = 'UPDATE sqlite_sequence SET seq = ? WHERE name = ? AND seq < ?'
const BEGIN_AT = `
  INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?)`

export function sqliteSource(connection: DatabaseSync): CopySource {
  const statements = new Statements(connection)
  return {
    get: (sql, ...params) => statements.get(sql, ...params),
    all: (sql, ...params) => statements.all(sql, ...params),
    lastNumber: async ({ name }) => statements.first<{ last: number }>(LAST_NUMBER, [name])?.last ?? 0,
  }
}

export function sqliteTarget(connection: DatabaseSync): CopyTarget {
  const statements = new Statements(connection)
  return {
    ...sqliteSource(connection),
    run: (sql, ...params) => statements.run(sql, ...params),
    ownNumbers: '',
    keepsNul: true,
    async goOnAfter({ name }, last) {
      statements.exec(BEGIN_AT, name, last, name)
      statements.exec(RAISE, last, name, last)
    },
  }
}
