import type { PostgresSettings } from './options.ts'

/** One statement, whose settings end with the transaction, so that they fit any pooler. */
export function localTimeouts({ statementTimeout, lockTimeout }: PostgresSettings): string[] {
  const set = (name: string, seconds: number): string => `set_config('${name}', '${seconds * 1000}', true)`
  return [
    `SELECT ${set('statement_timeout', statementTimeout)}, ${set('lock_timeout', lockTimeout)}, ` +
      set('idle_in_transaction_session_timeout', statementTimeout),
  ]
}
