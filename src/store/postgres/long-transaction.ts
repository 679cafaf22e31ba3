import type { Clock } from '../../lib/clock.ts'
import type { Sql } from '../sql/database.ts'
import { StoreError } from '../store.ts'
import { Connections } from './connections.ts'
import { loadDriver } from './driver.ts'
import { endsConnection, LostConnection, sqlState, toStoreError } from './errors.ts'
import { localTimeouts } from './local-timeouts.ts'
import { describeAddress, type PostgresAddress, type PostgresSettings } from './options.ts'
import { checkServer } from './server-checks.ts'
import { rollBack, Session } from './session.ts'
import { StatementCache } from './statements.ts'

/** A database on a server and how to talk to it. */
export interface PostgresPlace {
  readonly address: PostgresAddress
  readonly settings: PostgresSettings
}

/**
 * - `REPEATABLE READ READ ONLY`: one state of the database, however long the reading takes
 * - `SERIALIZABLE`: writes as if nobody else were at work; refused at the end when somebody was
 */
export type LongIsolation = 'REPEATABLE READ READ ONLY' | 'SERIALIZABLE'

/** Half an hour for a single statement, and as long between two of them; the whole may take longer. */
const UNHURRIED = { poolSize: 1, statementTimeout: 1_800, lockTimeout: 1_800, prepare: false } as const

// From version 17 on a server may limit whole transactions; older ones do not know the setting.
const WITHOUT_LIMIT = "SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'"

/** Nobody knows whether the transaction was committed: the connection broke just then. */
export class UnknownCommit extends StoreError {}

/**
 * Runs `work` in one transaction on a connection of its own, which the deadlines of a server's statements do not cut.
 * One attempt: what `work` did elsewhere cannot be undone here.
 *
 * @throws {UnknownCommit} when it may have been committed; any other {StoreError}, or what `work` threw: it was not
 */
export async function inLongTransaction<T>(
  { address, settings }: PostgresPlace,
  isolation: LongIsolation,
  { clock }: { readonly clock: Clock },
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const how = { ...settings, ...UNHURRIED }
  const where = describeAddress(address)
  const connections = new Connections(await loadDriver(address, how), {
    settings: how,
    clock,
    log: undefined,
    metrics: undefined,
    verify: checkServer,
  })
  try {
    const connection = await connections.take().catch((error: unknown) => {
      throw error instanceof StoreError
        ? new StoreError(error.code, `${where}: ${error.message}`, { cause: error })
        : error
    })
    try {
      const begin = [
        `BEGIN ISOLATION LEVEL ${isolation}`,
        ...(how.pooler ? localTimeouts(how) : []),
        WITHOUT_LIMIT,
      ].map((text) => ({ text, name: undefined, values: [] }))
      const session = new Session(connection, new StatementCache(), begin)
      let value: T
      try {
        value = await work(session)
      } catch (error) {
        if (session.inTransaction) await rollBack(connection)
        throw error
      }
      if (session.needsCommit) await commit(session, where)
      return value
    } finally {
      connection.release()
    }
  } catch (error) {
    // A fault of our own code is not told as one of the database.
    if (sqlState(error) === undefined && !(error instanceof LostConnection)) throw error
    throw toStoreError(error, where)
  } finally {
    await connections.close()
  }
}

async function commit(session: Session, where: string): Promise<void> {
  try {
    const { command } = await session.commit()
    if (command !== 'COMMIT') throw new StoreError('failed', `${where}: the transaction had failed before its end`)
  } catch (cause) {
    if (!endsConnection(cause)) throw cause
    throw new UnknownCommit('busy', `${where} went away while it committed; whether it did is not known`, { cause })
  }
}
