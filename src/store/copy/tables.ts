/** What becomes of a table when a database is copied from one engine to another. */
export type Treatment =
  /** Its rows are copied, so many at a time: few where one may be large. `numbered`: the engine numbers them. */
  | { readonly copied: true; readonly rowsAtOnce: number; readonly numbered?: true }
  | { readonly copied: false; readonly because: string }

/**
 * Every table of every engine, in an order in which rows can be inserted: what is referred to comes first. A test fails
 * when a step of the schema adds a table that is not here.
 */
export const TABLES: Readonly<Record<string, Treatment>> = {
  accounts: { copied: true, rowsAtOnce: 500 },
  eab_keys: { copied: true, rowsAtOnce: 500 },
  orders: { copied: true, rowsAtOnce: 500 },
  authorizations: { copied: true, rowsAtOnce: 500 },
  order_authorizations: { copied: true, rowsAtOnce: 1000 },
  challenges: { copied: true, rowsAtOnce: 500 },
  validation_jobs: { copied: true, rowsAtOnce: 500 },
  certificates: { copied: true, rowsAtOnce: 250 },
  // One may list a hundred thousand revocations.
  crls: { copied: true, rowsAtOnce: 1 },
  crl_state: { copied: true, rowsAtOnce: 100 },
  blocked_keys: { copied: true, rowsAtOnce: 1000 },
  secrets: { copied: true, rowsAtOnce: 100 },
  audit_events: { copied: true, rowsAtOnce: 500, numbered: true },
  decisions: { copied: true, rowsAtOnce: 100, numbered: true },
  policy_versions: { copied: true, rowsAtOnce: 5 },
  name_grants: { copied: true, rowsAtOnce: 500 },
  issued_names: { copied: true, rowsAtOnce: 1000 },
  replacements: { copied: true, rowsAtOnce: 1000 },
  rate_limits: { copied: true, rowsAtOnce: 1000 },
  issued_name_sets: { copied: true, rowsAtOnce: 1000 },
  name_failures: { copied: true, rowsAtOnce: 500 },
  store_lineages: { copied: true, rowsAtOnce: 100 },
  heartbeat: { copied: true, rowsAtOnce: 1 },

  nonces: { copied: false, because: 'a copy goes on with a nonce key of its own, so that no earlier nonce is good' },
  nonce_ledger: { copied: false, because: 'it is of the process that holds the one file' },
  instances: { copied: false, because: 'the servers at work are of the one database' },
  schema_migrations: { copied: false, because: 'each engine makes its own tables, and keeps its own hashes of them' },
  schema_lock: { copied: false, because: 'a row to lock, without a meaning' },
  sqlite_sequence: { copied: false, because: 'the numbers given last are carried over by themselves' },
}

/** Tables of which a row is no sign that the database is in use: `chancery check` writes there. */
export const WRITTEN_BY_CHECKS: ReadonlySet<string> = new Set(['heartbeat'])
