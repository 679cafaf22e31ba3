import type { Migration } from './migration.ts'

/** What rate limits remember. Every row ends by itself; none is needed for what was promised to anybody. */
export const rateLimits: Migration = {
  number: 2,
  name: 'rate-limits',
  readableFrom: 1,
  statements: ({ text, compact }) => [
    // tat is the theoretical arrival time of GCRA in microseconds since 1970; previous_tat what it replaced, so that a
    // compare-and-set of many rows is one statement.
    `CREATE TABLE rate_limits (
      key ${text} NOT NULL PRIMARY KEY,
      tat BIGINT NOT NULL,
      previous_tat BIGINT NOT NULL,
      expires_at BIGINT NOT NULL
    ) ${compact}`,
    // retention; limits.list
    'CREATE INDEX rate_limits_by_expiry ON rate_limits (expires_at)',

    // The sets of names that an account had certificates for: until when another one counts as a renewal, and the tat
    // of its own limit.
    `CREATE TABLE issued_name_sets (
      key ${text} NOT NULL PRIMARY KEY,
      tat BIGINT NOT NULL,
      renewable_until BIGINT NOT NULL
    ) ${compact}`,
    // retention
    'CREATE INDEX issued_name_sets_by_end ON issued_name_sets (renewable_until)',

    // Failed proofs in a row of one name by one account. paused_until is 0 while it is not paused.
    `CREATE TABLE name_failures (
      key ${text} NOT NULL PRIMARY KEY,
      directory ${text} NOT NULL,
      account_id ${text} NOT NULL,
      identifier_type ${text} NOT NULL,
      identifier_value ${text} NOT NULL,
      failures INTEGER NOT NULL,
      last_failed_at BIGINT NOT NULL,
      paused_until BIGINT NOT NULL,
      expires_at BIGINT NOT NULL
    ) ${compact}`,
    // retention; limits.listPauses
    'CREATE INDEX name_failures_by_expiry ON name_failures (expires_at)',
  ],
}
