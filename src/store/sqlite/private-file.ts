import { chmodSync, closeSync, openSync } from 'node:fs'

const OWNER_ONLY = 0o600

/**
 * Makes sure that the file exists and only its owner may read it. SQLite gives the files beside a database the
 * mode of the database. An existing file is never opened here: closing it would drop the locks that this process
 * holds on it (POSIX).
 */
export function createPrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', OWNER_ONLY))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    chmodSync(path, OWNER_ONLY)
  }
}
