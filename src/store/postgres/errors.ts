import { Undo } from '../sql/database.ts'
import { StoreError } from '../store.ts'

/** The SQLSTATE of an error of the server (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
export function sqlState(error: unknown): string | undefined {
  // Errors of the system have a code too, such as EPIPE; only those of the server have a severity.
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

const skipped = new WeakSet<Error>()

/** Notes that the error is of a statement before the one that was asked for, which the server then skipped. */
export function markSkipped(error: Error): void {
  skipped.add(error)
}

/** True when the statement that was asked for was never begun, because one that travelled with it failed. */
export function wasSkipped(error: unknown): boolean {
  return error instanceof Error && skipped.has(error)
}

/**
 * True when the connection is gone or going: whatever was sent on it last may or may not have happened. An error
 * without a SQLSTATE comes from the socket or from our own deadline.
 */
export function endsConnection(error: unknown): boolean {
  if (error instanceof StoreError || error instanceof Undo) return false
  const state = sqlState(error)
  if (state === undefined) return true
  // 57P..: shut down, crashed, starting up, or the database was dropped. 25P03, 57P05: idle for too long.
  return state.startsWith('08') || state.startsWith('57P') || state === '25P03' || state === '40003'
}

/** Why a transaction that was not committed may be tried again from its start. */
export type RetryReason = 'serialization' | 'deadlock' | 'lost-race' | 'plan' | 'connection'

/** @param error before COMMIT was sent, or an answer to it that says that nothing was committed */
export function retryReason(error: unknown): RetryReason | undefined {
  if (error instanceof StoreError || error instanceof Undo) return undefined
  const state = sqlState(error)
  if (state === '40001') return 'serialization'
  if (state === '40P01') return 'deadlock'
  // Somebody was faster between our look and our write; on another try the look sees it.
  if (state === '23505' || state === '23503') return 'lost-race'
  // The schema was changed under a prepared statement; a new connection prepares it anew.
  if (state === '0A000' && /cached plan/.test((error as Error).message)) return 'plan'
  return error instanceof Error && endsConnection(error) && !isOurs(error) ? 'connection' : undefined
}

/** A fault of our own code inside a write has neither a SQLSTATE nor a system error, and is no lost connection. */
function isOurs(error: Error): boolean {
  return !(error instanceof LostConnection) && sqlState(error) === undefined
}

/** Says that the connection broke, whatever `pg` says of it. */
export class LostConnection extends Error {
  constructor(cause: unknown) {
    super(`the connection to the database was lost (${cause instanceof Error ? cause.message : String(cause)})`, {
      cause,
    })
  }
}

/** Turns whatever went wrong into what a caller of the store may see. */
export function toStoreError(error: unknown, doing: string): StoreError | Undo<unknown> {
  if (error instanceof StoreError || error instanceof Undo) return error
  const detail = error instanceof Error ? error.message : String(error)
  const because = { cause: error }
  const state = sqlState(error)
  if (error instanceof LostConnection) return new StoreError('busy', `${doing}: ${detail}`, because)
  if (state === undefined) return new StoreError('failed', `${doing}: ${detail}`, because)
  if (state === '53100' || state === '58030') {
    return new StoreError('full', `${doing}: the database server cannot write (${detail}); check its disk`, because)
  }
  if (state === '25006') {
    return new StoreError('busy', `${doing}: the database server only reads (${detail}); is it a standby?`, because)
  }
  if (state === '26000' || state === '42P05') {
    const advice = 'behind a pooler that keeps no prepared statements, set store.postgres.prepare to false'
    return new StoreError('failed', `${doing}: ${detail}; ${advice}`, because)
  }
  // Overloaded, locked, out of time, shutting down, or beaten too often: it passes by itself.
  const passes = /^(08|40|53|57|55P03|25P0[34])/.test(state)
  if (passes) return new StoreError('busy', `${doing}: the database is busy or away (${detail})`, because)
  return new StoreError('failed', `${doing}: ${detail}`, because)
}
