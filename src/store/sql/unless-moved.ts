import { explainMark, readMark } from '../move-marks.ts'
import { StoreError } from '../store.ts'
import { type Database, lockRows } from './database.ts'
import { readLineages } from './history.ts'

/** Whoever marks a database as moved away changes this row first. */
const THE_FIRST_LIFE = 'SELECT epoch FROM store_lineages WHERE epoch = 0'

/**
 * A database for commands, of which nobody keeps a list: each write looks once more whether the database was moved away, since
 * the command began, and is either before the mark, where the move still finds it, or refused.
 */
export function unlessMoved(database: Database): Database {
  return {
    get: (sql, ...params) => database.get(sql, ...params),
    all: (sql, ...params) => database.all(sql, ...params),
    write: (fn) =>
      database.write(async (sql) => {
        lockRows(sql, 'share', THE_FIRST_LIFE)
        const mark = readMark((await readLineages(sql)).at(-1))
        if (mark !== undefined) throw new StoreError('failed', explainMark(mark))
        return fn(sql)
      }),
    close: () => database.close(),
  }
}
