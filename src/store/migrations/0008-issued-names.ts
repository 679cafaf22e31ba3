import type { Migration } from './migration.ts'

/** Which certificates a name had, so that policy can say how often; and from where a challenge was answered. */
export const issuedNames: Migration = {
  number: 8,
  name: 'issued-names',
  readableFrom: 1,
  statements: ({ text, compact }) => [
    `ALTER TABLE challenges ADD COLUMN answered_from ${text}`,

    // Certificates of one name count up from 1; that no two have one position is what makes a count true under any race.
    `CREATE TABLE issued_names (
      name ${text} NOT NULL,
      position BIGINT NOT NULL,
      account_id ${text},
      issuer_id ${text} NOT NULL,
      serial ${text} NOT NULL,
      reserved_at BIGINT NOT NULL,
      not_before BIGINT NOT NULL,
      not_after BIGINT NOT NULL,
      ends_at BIGINT NOT NULL,
      PRIMARY KEY (name, position)
    ) ${compact}`,
    // retention
    'CREATE INDEX issued_names_by_end ON issued_names (ends_at)',
  ],
}
