import { StoreError } from '../store.ts'
import type { Connection } from './connections.ts'

const OLDEST_VERSION = 150_000

const SETTINGS = `
  SELECT version() AS version,
    current_setting('server_version_num') AS version_number,
    current_setting('server_encoding', true) AS encoding,
    current_setting('transaction_read_only', true) AS read_only,
    current_setting('fsync', true) AS fsync,
    current_setting('synchronous_commit', true) AS synchronous_commit`

interface Settings {
  readonly version: string
  readonly version_number: string
  readonly encoding: string | null
  readonly read_only: string | null
  readonly fsync: string | null
  readonly synchronous_commit: string | null
}

/**
 * Looks at the server behind a new connection: after a failover it may be another one. Refuses one that would lose
 * what it acknowledges (KF-E02), that only reads, or that is too old.
 *
 * @throws {StoreError} saying what to do
 */
export async function checkServer(connection: Pick<Connection, 'query'>): Promise<void> {
  const { rows } = await connection.query({ text: SETTINGS, name: undefined }, [])
  const settings = rows[0] as Settings
  // Distributed engines replicate before they acknowledge, number their versions by another count, and may not know
  // settings about one machine's disk.
  const isCockroach = settings.version.startsWith('CockroachDB')
  if (!isCockroach && Number(settings.version_number) < OLDEST_VERSION) {
    throw new StoreError('failed', `the database server is ${settings.version}; Chancery needs PostgreSQL 15 or newer`)
  }
  if (settings.fsync !== 'on' && !isCockroach) {
    throw new StoreError(
      'failed',
      `the database server has fsync = ${settings.fsync ?? 'unknown'} and would lose what it acknowledged at a power cut; ` +
        'set fsync = on in postgresql.conf and restart it',
    )
  }
  if (settings.synchronous_commit === 'off') {
    throw new StoreError(
      'failed',
      'the database server has synchronous_commit = off and would lose the last commits in a crash; set it to on, ' +
        'for this role: ALTER ROLE … SET synchronous_commit = on',
    )
  }
  if (settings.encoding !== null && settings.encoding !== 'UTF8') {
    throw new StoreError(
      'failed',
      `the database has the encoding ${settings.encoding}; make one with UTF8: createdb --encoding=UTF8 --template=template0`,
    )
  }
  if (settings.read_only === 'on') {
    throw new StoreError('busy', 'the database server only reads; store.url must lead to the primary, not to a standby')
  }
}
