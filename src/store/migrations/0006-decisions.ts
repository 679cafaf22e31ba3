import type { Migration } from './migration.ts'

/** What policy decided, and the files by which it did. */
export const decisions: Migration = {
  number: 6,
  name: 'decisions',
  readableFrom: 1,
  statements: ({ text, risingKey }) => [
    // `request` and `decision` are JSON: all that was asked and all that was answered, so that another policy can be
    // asked the same again. No row refers to another: decisions outlive orders, and accounts that never had one.
    `CREATE TABLE decisions (
      id ${risingKey},
      at BIGINT NOT NULL,
      stage ${text} NOT NULL CHECK (stage IN ('order', 'issuance')),
      outcome ${text} NOT NULL CHECK (outcome IN ('allow', 'deny')),
      reference ${text},
      directory ${text},
      account_id ${text},
      order_id ${text},
      serial ${text},
      version ${text},
      request TEXT NOT NULL,
      decision TEXT NOT NULL
    )`,
    // decisions.find. Both begin with the time, so that new rows share a page; there is none by serial, whose
    // randomness would cost each issuance a page of its own: a serial leads to its order or request.
    'CREATE INDEX decisions_by_reference ON decisions (reference, id) WHERE reference IS NOT NULL',
    'CREATE INDEX decisions_by_order ON decisions (order_id, id) WHERE order_id IS NOT NULL',

    // loaded_at and author are of the first time; last_loaded_at says how long decisions may name it.
    `CREATE TABLE policy_versions (
      version ${text} NOT NULL PRIMARY KEY,
      loaded_at BIGINT NOT NULL,
      last_loaded_at BIGINT NOT NULL,
      author TEXT NOT NULL,
      text TEXT NOT NULL
    )`,
  ],
}
