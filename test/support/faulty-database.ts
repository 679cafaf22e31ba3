import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Connect } from '../../src/store/sqlite/connection.ts'

/** SQLite's extended result code for a failed fsync (https://sqlite.org/rescode.html#ioerr_fsync). */
export const IOERR_FSYNC = 1034

/** An error as node:sqlite throws it. */
export function sqliteError(errcode: number, message = 'disk I/O error'): Error {
  return Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode })
}

/** What a test wants to go wrong; looked up by the text of each statement before or after it runs. */
export interface Faults {
  /** Throws to fail instead of running the statement. */
  before?: (sql: string) => void
  /** Throws to fail although the statement ran. */
  after?: (sql: string) => void
  /** Runs other text instead. */
  replace?: (sql: string) => string
}

/** Connections with faults, and the connections themselves, in the order in which the store opened them. */
export function faultyConnections(faults: Faults): { connect: Connect; connections: DatabaseSync[] } {
  const connections: DatabaseSync[] = []
  class FaultyDatabase extends DatabaseSync {
    override exec(sql: string): void {
      faults.before?.(sql)
      super.exec(faults.replace?.(sql) ?? sql)
      faults.after?.(sql)
    }

    override prepare(sql: string): StatementSync {
      const statement = super.prepare(faults.replace?.(sql) ?? sql)
      const run = statement.run.bind(statement)
      const faulty = (...params: Parameters<StatementSync['run']>) => {
        faults.before?.(sql)
        const result = run(...params)
        faults.after?.(sql)
        return result
      }
      statement.run = faulty as StatementSync['run']
      return statement
    }
  }
  const connect: Connect = (path, { readOnly }) => {
    const connection = new FaultyDatabase(path, { readOnly, timeout: 20 })
    connections.push(connection)
    return connection
  }
  return { connect, connections }
}
