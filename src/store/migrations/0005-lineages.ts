import type { Migration } from './migration.ts'

/**
 * Which history the data belongs to. Epoch 0 is the first; each restore begins a further one, so that an older copy of
 * the database can be told from the one that went on (KF-E08).
 */
export const lineages: Migration = {
  number: 5,
  name: 'lineages',
  statements: ({ text }) => [
    // branched_after is the newest audit event that the epoch took over; finished_at is NULL while a restore is at work.
    `CREATE TABLE store_lineages (
      epoch INTEGER NOT NULL PRIMARY KEY,
      lineage ${text} NOT NULL UNIQUE,
      started_at BIGINT NOT NULL,
      branched_after BIGINT NOT NULL,
      finished_at BIGINT
    )`,
  ],
}
