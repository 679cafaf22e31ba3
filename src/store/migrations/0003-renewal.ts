import type { Migration } from './migration.ts'

/** Which certificate an order replaces (RFC 9773 §5). */
export const renewal: Migration = {
  number: 3,
  name: 'renewal',
  readableFrom: 1,
  statements: ({ text, compact }) => [
    `ALTER TABLE orders ADD COLUMN replaces ${text}`,

    // At most one order at a time for each certificate to be replaced, under any race. expires_at is the end of that
    // certificate; then nobody replaces it any more.
    `CREATE TABLE replacements (
      issuer_id ${text} NOT NULL,
      serial ${text} NOT NULL,
      order_id ${text} NOT NULL,
      expires_at BIGINT NOT NULL,
      PRIMARY KEY (issuer_id, serial)
    ) ${compact}`,
    // retention
    'CREATE INDEX replacements_by_expiry ON replacements (expires_at)',
  ],
}
