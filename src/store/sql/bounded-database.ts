import { StoreError } from '../store.ts'
import type { Database } from './database.ts'

/** Writes that wait for their commit at most; a healthy store has a few dozen. */
const MAX_WRITES = 4096
/** With this share of them, new work is refused, so that what is under way can be stored. */
const SHARE_OF_NEW = 1 / 8

/** A database whose line of writes has an end, whatever the engine (KF-F23). */
export interface BoundedDatabase extends Database {
  /** 0 with nothing to write; from 1 on nothing new should be begun. */
  pressure(): number
}

/** Refuses writes with `busy` once too many wait: a disk or a server that stands still must not fill the memory. */
export function boundDatabase(database: Database, maxWrites: number = MAX_WRITES): BoundedDatabase {
  let waiting = 0
  const ended = (): void => {
    waiting--
  }
  return {
    get: (sql, ...params) => database.get(sql, ...params),
    all: (sql, ...params) => database.all(sql, ...params),
    write: (fn) => {
      if (waiting >= maxWrites) {
        return Promise.reject(new StoreError('busy', `${waiting} writes wait for the database, which is too slow`))
      }
      waiting++
      const write = database.write(fn)
      write.then(ended, ended)
      return write
    },
    close: () => database.close(),
    pressure: () => waiting / (maxWrites * SHARE_OF_NEW),
  }
}
