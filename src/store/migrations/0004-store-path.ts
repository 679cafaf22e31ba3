import type { Migration } from './migration.ts'

/** What the hot path of SQLite needs, and what it no longer needs. */
export const storePath: Migration = {
  number: 4,
  name: 'store-path',
  readableFrom: 1,
  statements: ({ bytes, text }) => [
    // One row: the nonces of the one process that holds an embedded database; `spent` is NULL while it has them.
    `CREATE TABLE nonce_ledger (
      id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
      generation ${bytes} NOT NULL,
      spent ${bytes},
      spent_sha256 ${text},
      CHECK ((spent IS NULL) = (spent_sha256 IS NULL))
    )`,
  ],
}
