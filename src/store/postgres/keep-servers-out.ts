import type { Clock } from '../../lib/clock.ts'
import type { Sql } from '../sql/database.ts'
import { StoreError } from '../store.ts'
import { liveInstances } from './instances.ts'

// Changes nothing, and yet no server can say at the same time that it is alive: its heartbeat reads these rows, and we
// read those of the heartbeats, and both are serializable.
const TOUCH_SCHEMA = 'UPDATE schema_migrations SET applied_at = applied_at'

/**
 * To be called first in a serializable transaction, which then fails at its end if a server started meanwhile.
 *
 * @throws {StoreError} `busy` when one is at work
 */
export async function keepServersOut(sql: Sql, clock: Clock): Promise<void> {
  await sql.run(TOUCH_SCHEMA)
  const running = await liveInstances(sql, clock.now())
  if (running.length > 0)
    throw new StoreError('busy', `servers work on this database: ${running.map(({ name }) => name).join(', ')}`)
}
