/** Values by label name; each metric says below which labels it has. */
export type Labels = Readonly<Record<string, string>>

/** Metrics as the rooms see them: each name stands once, in the tables below. */
export interface Metrics {
  count(name: CounterName, labels?: Labels, by?: number): void
  observe(name: HistogramName, seconds: number, labels?: Labels): void
  set(name: GaugeName, value: number, labels?: Labels): void
}

/** Name, help and labels of every metric; label values come from small closed sets, never from requesters. */
export const COUNTERS = {
  chancery_acme_requests_total: { help: 'ACME requests answered', labels: ['endpoint', 'status'] },
  chancery_acme_problems_total: { help: 'Problem documents sent', labels: ['type'] },
  chancery_nonces_total: { help: 'Nonces presented', labels: ['outcome'] },
  chancery_orders_total: { help: 'Orders by event', labels: ['event'] },
  chancery_validations_total: { help: 'Validations ended', labels: ['type', 'outcome'] },
  chancery_certificates_issued_total: { help: 'Certificates issued', labels: ['profile'] },
  chancery_certificates_revoked_total: { help: 'Certificates revoked', labels: ['reason'] },
  chancery_crl_builds_total: { help: 'CRL builds', labels: ['outcome'] },
  chancery_signatures_total: { help: 'Uses of an issuing key', labels: ['purpose'] },
  chancery_padded_base64_total: { help: 'Payload fields accepted with base64 padding', labels: ['field'] },
  chancery_rate_limited_total: { help: 'Requests refused by a rate limit', labels: ['limit'] },
  chancery_handshakes_total: { help: 'TLS connections by what became of their hello', labels: ['outcome'] },
  chancery_refused_busy_total: { help: 'Requests refused for want of capacity', labels: ['kind', 'why'] },
  chancery_backlogs_total: { help: 'New work refused because a queue behind was full', labels: ['queue'] },
  chancery_store_round_trips_total: { help: 'Times that the database server was asked and waited for', labels: [] },
  chancery_store_transactions_total: { help: 'Transactions on the database server', labels: ['kind'] },
  chancery_store_retries_total: { help: 'Transactions begun again', labels: ['kind', 'reason'] },
  chancery_store_commits_unknown_total: { help: 'Commits whose outcome the server did not tell', labels: [] },
  chancery_store_connections_failed_total: { help: 'Times that no connection to the database was had', labels: [] },
  chancery_policy_decisions_total: { help: 'Decisions of the policy file', labels: ['stage', 'outcome'] },
  chancery_policy_reloads_total: { help: 'Times that the policy file was read again', labels: ['outcome'] },
  chancery_rows_deleted_total: { help: 'Rows deleted by retention', labels: [] },
  chancery_issuance_log_records_total: { help: 'Records written to the issuance log', labels: [] },
  chancery_backups_total: { help: 'Scheduled backups', labels: ['outcome'] },
} as const

export const HISTOGRAMS = {
  chancery_http_request_seconds: { help: 'Time from request to answer', labels: ['endpoint'] },
  chancery_validation_seconds: { help: 'Time of one validation', labels: ['type'] },
  chancery_queue_wait_seconds: { help: 'Time that work waited for its turn', labels: ['queue', 'kind'] },
  chancery_store_commit_seconds: { help: 'Time of one commit', labels: [] },
  chancery_store_wait_seconds: { help: 'Time waited for a connection to the database server', labels: [] },
} as const

export const GAUGES = {
  chancery_queue_length: { help: 'Work that waits for its turn', labels: ['queue'] },
  chancery_overloaded: { help: '1 while new work is refused for want of capacity', labels: [] },
  chancery_validation_jobs: { help: 'Validation jobs not ended', labels: [] },
  chancery_crl_next_update_timestamp_seconds: { help: 'nextUpdate of the newest CRL', labels: ['issuer'] },
  chancery_certificate_not_after_timestamp_seconds: { help: 'Expiry of our own certificates', labels: ['certificate'] },
  chancery_event_loop_delay_seconds: {
    help: 'How late the event loop was since the last scrape, by quantile',
    labels: ['quantile'],
  },
  chancery_backup_last_success_timestamp_seconds: { help: 'End of the last scheduled backup', labels: [] },
  chancery_policy_rules: { help: 'Rules of the policy file in force', labels: [] },
  chancery_policy_loaded_timestamp_seconds: { help: 'When the policy in force was read', labels: [] },
  chancery_policy_refused: {
    help: '1 while the policy file was refused and an earlier version is in force',
    labels: [],
  },
  chancery_store_restore_epoch: { help: 'How often the database was restored', labels: [] },
  chancery_store_rows: { help: 'Rows per table', labels: ['table'] },
} as const

export type CounterName = keyof typeof COUNTERS
export type HistogramName = keyof typeof HISTOGRAMS
export type GaugeName = keyof typeof GAUGES
