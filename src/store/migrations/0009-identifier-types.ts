import type { Migration } from './migration.ts'

/**
 * Authorizations for names of any type. A check of a column cannot be changed everywhere, so the column is made anew. To
 * older programs such names are unknown, and they refuse to certify them.
 */
export const identifierTypes: Migration = {
  number: 9,
  name: 'identifier-types',
  readableFrom: 1,
  statements: ({ text }) => [
    `ALTER TABLE authorizations ADD COLUMN name_type ${text} NOT NULL DEFAULT 'dns'`,
    "UPDATE authorizations SET name_type = identifier_type WHERE identifier_type <> 'dns'",
    'ALTER TABLE authorizations DROP COLUMN identifier_type',
    'ALTER TABLE authorizations RENAME COLUMN name_type TO identifier_type',
  ],
}
