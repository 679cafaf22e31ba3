import assert from 'node:assert/strict'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Clock } from '../../src/lib/clock.ts'
import { openSqliteStore, type SqliteStoreOptions } from '../../src/store/sqlite/engine.ts'
import { checkedCache } from '../support/checked-cache.ts'
import { openTestStore } from '../support/store.ts'
import type { StoreUnderTest } from './store/harness.ts'
import { storeContract } from './store.ts'

/** Damages through a connection of its own, or through the store's where there is no other. */
function damages(connection: DatabaseSync): Pick<StoreUnderTest, 'execute' | 'refuse'> {
  return {
    async execute(statement, ...params) {
      // Not by a method that records: what damages is no statement of the store.
      DatabaseSync.prototype.prepare.call(connection, statement).run(...params)
    },
    async refuse(operation, table, only) {
      const when = only === undefined ? '' : `WHEN NEW.${only.column} = '${only.value}'`
      connection.exec(
        `CREATE TRIGGER refuse BEFORE ${operation} ON ${table} ${when} BEGIN SELECT RAISE(ABORT, 'injected'); END`,
      )
      return async () => connection.exec('DROP TRIGGER refuse')
    },
  }
}

function inAFile(options: Partial<SqliteStoreOptions>): (clock: Clock) => Promise<StoreUnderTest> {
  return async (clock) => {
    const first = await openTestStore(clock, options)
    const connection = new DatabaseSync(first.path)
    const opened = [first.store]
    return {
      store: first.store,
      ...damages(connection),
      async reopen() {
        await opened.at(-1)?.close()
        const store = await openSqliteStore({ path: first.path, clock, ...options })
        opened.push(store)
        return store
      },
      async cleanup() {
        connection.close()
        for (const store of opened) await store.close()
        await first.cleanup()
      },
    }
  }
}

storeContract('SQLite in a file', inAFile({}))

storeContract('SQLite held by its server', inAFile({ exclusive: true, recordCache: checkedCache }), {
  keepsNonceRows: false,
})

/** The text of every statement that the contract made the store prepare. */
const prepared = new Set<string>()

class RecordingDatabase extends DatabaseSync {
  override prepare(sql: string): StatementSync {
    prepared.add(sql)
    return super.prepare(sql)
  }
}

storeContract(
  'SQLite in memory',
  async (clock) => {
    const connections: DatabaseSync[] = []
    const connect = (path: string): DatabaseSync => {
      const connection = new RecordingDatabase(path)
      connections.push(connection)
      return connection
    }
    const store = await openSqliteStore({ path: ':memory:', clock, connect })
    const [connection] = connections
    if (connection === undefined) throw new Error('the store opened no connection')
    return { store, ...damages(connection), cleanup: () => store.close() }
  },
  { forgets: true },
)

// Counting is for metrics, listing external account keys and grants for operators, and the oldest audit events, the oldest decisions and
// superseded CRLs are few by their LIMIT or by nature; so are issuers.
const MAY_SCAN = [
  /SELECT COUNT\(\*\)/,
  // The first row that comes.
  /^SELECT 1 AS found FROM \w+ LIMIT 1$/,
  /FROM eab_keys ORDER BY/,
  /FROM name_grants ORDER BY/,
  /DELETE FROM (audit_events|decisions)/,
  // One row for each change of the policy.
  /FROM policy_versions/,
  /DELETE FROM crls/,
  /^DROP/,
  /sqlite_schema/,
  /pragma_table_info/,
  /FROM crl_state s /,
  // Once in a life, while nothing is served.
  /\/\* restore \*\//,
]

test('every statement that an order or a sweep runs finds its rows by an index', async () => {
  const { path, store, cleanup } = await openTestStore()
  await store.close()
  const connection = new DatabaseSync(path)
  const statements = [...prepared].filter((sql) => /^\s*(SELECT|INSERT|UPDATE|DELETE)/.test(sql))
  assert.ok(statements.length > 70)
  for (const sql of statements) {
    if (MAY_SCAN.some((allowed) => allowed.test(sql))) continue
    const plan = connection.prepare(`EXPLAIN QUERY PLAN ${sql}`).all()
    // Derived tables (`by_…`) are scanned after their rows were found by an index, and what a statement brings along.
    const scans = plan
      .map(({ detail }) => String(detail))
      .filter((detail) => /^SCAN (?!by_|\d+-ROW VALUES)/.test(detail))
    assert.deepEqual(scans, [], sql)
  }
  connection.close()
  await cleanup()
})
