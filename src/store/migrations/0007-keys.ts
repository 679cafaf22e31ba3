import { FOREVER_MS } from '../eab-key.ts'
import type { Migration } from './migration.ts'

/**
 * What an external account key stands for, and names granted without a challenge. Not for older programs: they would go
 * on serving accounts whose key has ended, and delete keys on which accounts depend.
 */
export const keys: Migration = {
  number: 7,
  name: 'keys',
  statements: ({ text, compact }) => [
    // Lists and maps are JSON; NULL is none. `directories` NULL: `directory` alone; `max_uses` NULL: as many as you like.
    // A lineage is named by its first key; generations count up with each rotation.
    "ALTER TABLE eab_keys ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
    'ALTER TABLE eab_keys ADD COLUMN attributes TEXT',
    'ALTER TABLE eab_keys ADD COLUMN member_of TEXT',
    'ALTER TABLE eab_keys ADD COLUMN directories TEXT',
    'ALTER TABLE eab_keys ADD COLUMN scope TEXT',
    'ALTER TABLE eab_keys ADD COLUMN max_uses INTEGER DEFAULT 1',
    'ALTER TABLE eab_keys ADD COLUMN uses INTEGER NOT NULL DEFAULT 0',
    `ALTER TABLE eab_keys ADD COLUMN lineage ${text} NOT NULL DEFAULT ''`,
    'ALTER TABLE eab_keys ADD COLUMN generation INTEGER NOT NULL DEFAULT 0',
    'ALTER TABLE eab_keys ADD COLUMN accounts_end_at BIGINT',
    'UPDATE eab_keys SET lineage = id',
    'UPDATE eab_keys SET uses = 1 WHERE used_at IS NOT NULL',
    // From here on ends_at is never while an account depends on the key.
    `UPDATE eab_keys SET ends_at = ${FOREVER_MS} WHERE id IN (SELECT eab_key_id FROM accounts WHERE eab_key_id IS NOT NULL)`,
    // eabKeys.edit; one successor for each key, under any race
    'CREATE UNIQUE INDEX eab_keys_by_lineage ON eab_keys (lineage, generation)',
    // eabKeys.accountsOf; whether an account depends on the key
    'CREATE INDEX accounts_by_eab_key ON accounts (eab_key_id) WHERE eab_key_id IS NOT NULL',

    // Set where a name was not proved by a challenge: when, how, and by which grant.
    'ALTER TABLE authorizations ADD COLUMN proved_at BIGINT',
    `ALTER TABLE authorizations ADD COLUMN proved_by ${text}`,
    `ALTER TABLE authorizations ADD COLUMN grant_id ${text}`,
    // nameGrants.revoke
    'CREATE INDEX authorizations_by_grant ON authorizations (grant_id) WHERE grant_id IS NOT NULL',

    // Names that their holder, an account or a lineage of external account keys, need not prove. ends_at is the expiry,
    // or the earlier instant of revocation.
    `CREATE TABLE name_grants (
      id ${text} NOT NULL PRIMARY KEY,
      holder ${text} NOT NULL,
      identifier_type ${text} NOT NULL,
      identifier_value ${text} NOT NULL,
      wildcard INTEGER NOT NULL CHECK (wildcard IN (0, 1)),
      owner TEXT NOT NULL,
      note TEXT NOT NULL,
      created_at BIGINT NOT NULL,
      expires_at BIGINT NOT NULL,
      revoked_at BIGINT,
      ends_at BIGINT NOT NULL
    ) ${compact}`,
    // accounts.find, nameGrants.findFor
    'CREATE INDEX name_grants_by_holder ON name_grants (holder, identifier_value)',
    // retention
    'CREATE INDEX name_grants_by_end ON name_grants (ends_at)',
  ],
}
