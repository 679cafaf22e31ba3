import { after, before, describe } from 'node:test'
import type { Store } from '../../src/store/store.ts'
import { missingPostgres, type PostgresServer, startPostgres } from './postgres-server.ts'

/** What the tests of one suite share. */
export interface PostgresSuite {
  /** Once the tests run. */
  readonly server: PostgresServer
  /** Stores to be closed after the tests, before the server ends. */
  readonly opened: Store[]
}

/** A suite with a PostgreSQL server of its own, for tests that open stores on it. */
export function describeOnPostgres(title: string, tests: (suite: PostgresSuite) => void): void {
  describe(title, { skip: missingPostgres() ?? false }, () => {
    let server: PostgresServer | undefined
    const opened: Store[] = []
    before(async () => {
      server = await startPostgres()
    })
    after(async () => {
      for (const store of opened) await store.close()
      await server?.stop()
    })
    tests({
      get server() {
        if (server === undefined) throw new Error('the server is started before the tests, not before the suite')
        return server
      },
      opened,
    })
  })
}
