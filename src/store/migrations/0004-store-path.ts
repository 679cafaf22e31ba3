import type { Migration } from './migration.ts'

/**
 * What the hot path of SQLite needs, and what it no longer needs. Not for older programs: they would not see the nonces
 * that are spent without a row, nor note which accounts have certificates without an order.
 */
export const storePath: Migration = {
  number: 4,
  name: 'store-path',
  statements: ({ bytes, text }) => [
    // One row: the nonces of the one process that holds an embedded database; `spent` is NULL while it has them.
    `CREATE TABLE nonce_ledger (
      id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
      generation ${bytes} NOT NULL,
      spent ${bytes},
      spent_sha256 ${text},
      CHECK ((spent IS NULL) = (spent_sha256 IS NULL))
    )`,

    // Certificates are looked up by serial through their key, issuer by issuer: issuers are few, and an index of random
    // serials costs each issuance a page of its own.
    'DROP INDEX certificates_by_serial',
    'DROP INDEX certificates_by_account',
    // Jobs are found through the challenges of their authorization.
    'DROP INDEX validation_jobs_by_authorization',
  ],
}
