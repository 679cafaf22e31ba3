import type { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../store.ts'
import { type Connect, connectSqlite } from './connection.ts'
import { isBusy } from './errors.ts'
import { createPrivateFile } from './private-file.ts'

/**
 * The right to be the one server of a database (KF-E07), held as a lock on a small database beside it. The system
 * gives it back when the process ends, however it ends.
 */
export class ServerLock {
  readonly #connection: DatabaseSync

  private constructor(connection: DatabaseSync) {
    this.#connection = connection
  }

  /** @throws {StoreError} `busy` at once when another process or store holds the lock */
  static take(databasePath: string, connect: Connect = connectSqlite): ServerLock {
    const path = `${databasePath}.lock`
    createPrivateFile(path)
    const connection = connect(path, { readOnly: false })
    try {
      connection.exec('PRAGMA busy_timeout = 0')
      connection.exec('BEGIN EXCLUSIVE')
      return new ServerLock(connection)
    } catch (cause) {
      connection.close()
      if (!isBusy(cause)) throw cause
      throw new StoreError(
        'busy',
        `another Chancery server is running on ${databasePath}; stop it first, or give this one a state folder of its own`,
        { cause },
      )
    }
  }

  release(): void {
    if (this.#connection.isOpen) this.#connection.close()
  }
}
