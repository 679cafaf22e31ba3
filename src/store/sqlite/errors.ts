import { Undo } from '../sql/database.ts'
import { StoreError } from '../store.ts'

/** Primary result codes of SQLite (https://sqlite.org/rescode.html) that mean more than "this statement failed". */
const RESULT = {
  busy: 5,
  locked: 6,
  readonly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
} as const

/** The primary result code of an error of node:sqlite, or undefined for any other error. */
export function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

export function isBusy(error: unknown): boolean {
  const code = resultCode(error)
  return code === RESULT.busy || code === RESULT.locked
}

/** True when the disk or the file can no longer be trusted with writes, so that none must be tried again (KF-E03). */
export function endsWrites(error: unknown): boolean {
  const code = resultCode(error)
  return (
    code === RESULT.full ||
    code === RESULT.io ||
    code === RESULT.readonly ||
    code === RESULT.cannotOpen ||
    code === RESULT.corrupt ||
    code === RESULT.notADatabase
  )
}

/** Turns whatever went wrong into what a caller of the store may see. */
export function toStoreError(error: unknown, doing: string): StoreError | Undo<unknown> {
  if (error instanceof StoreError || error instanceof Undo) return error
  const detail = error instanceof Error ? error.message : String(error)
  const because = { cause: error }
  switch (resultCode(error)) {
    case RESULT.busy:
    case RESULT.locked:
      return new StoreError('busy', `${doing}: another process holds the database (${detail})`, because)
    case RESULT.full:
    case RESULT.io:
    case RESULT.readonly:
    case RESULT.cannotOpen:
      return new StoreError(
        'full',
        `${doing}: the database cannot be written (${detail}); check the disk, then restart`,
        because,
      )
    case RESULT.corrupt:
    case RESULT.notADatabase:
      return new StoreError(
        'failed',
        `${doing}: the database is damaged (${detail}); restore it from a backup`,
        because,
      )
    default:
      return new StoreError('failed', `${doing}: ${detail}`, because)
  }
}
