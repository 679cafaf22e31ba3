import type { Migration } from './migration.ts'

/**
 * The first schema. Facts and instants only; no table holds a status. A comment above each index names the
 * question that it answers. Keys of tables answer the look-ups by id.
 */
export const initial: Migration = {
  number: 1,
  name: 'initial',
  statements: ({ bytes, text, risingKey, compact }) => [
    `CREATE TABLE accounts (
      id ${text} NOT NULL PRIMARY KEY,
      directory ${text} NOT NULL,
      jwk TEXT NOT NULL,
      thumbprint ${text} NOT NULL,
      spki_sha256 ${text} NOT NULL,
      contact TEXT NOT NULL,
      terms_agreed_at BIGINT,
      external_account_binding TEXT,
      eab_key_id ${text},
      created_at BIGINT NOT NULL,
      deactivated_at BIGINT,
      revoked_at BIGINT,
      first_order_at BIGINT
    )`,
    // One account per key and directory, under any race (KF-B11, KF-B12); accounts.findByThumbprint.
    'CREATE UNIQUE INDEX accounts_by_thumbprint ON accounts (directory, thumbprint)',
    // accounts.isAccountKey
    'CREATE INDEX accounts_by_spki ON accounts (spki_sha256)',
    // retention: accounts that never ordered
    'CREATE INDEX accounts_unused ON accounts (created_at) WHERE first_order_at IS NULL',

    // ends_at is when the key stops to be usable: its expiry, or the earlier instant of its use or revocation.
    `CREATE TABLE eab_keys (
      id ${text} NOT NULL PRIMARY KEY,
      directory ${text} NOT NULL,
      wrapped_mac_key ${bytes} NOT NULL,
      label TEXT NOT NULL,
      created_at BIGINT NOT NULL,
      expires_at BIGINT NOT NULL,
      used_at BIGINT,
      used_by ${text},
      revoked_at BIGINT,
      ends_at BIGINT NOT NULL
    )`,
    // retention
    'CREATE INDEX eab_keys_by_end ON eab_keys (ends_at)',

    `CREATE TABLE nonces (
      id ${text} NOT NULL PRIMARY KEY,
      expires_at BIGINT NOT NULL
    ) ${compact}`,
    // retention
    'CREATE INDEX nonces_by_expiry ON nonces (expires_at)',

    // ends_at is when the order is or becomes final by itself; NULL while a certificate is being made for it.
    `CREATE TABLE orders (
      id ${text} NOT NULL PRIMARY KEY,
      directory ${text} NOT NULL,
      account_id ${text} NOT NULL REFERENCES accounts (id),
      identifiers TEXT NOT NULL,
      profile TEXT NOT NULL,
      not_before BIGINT,
      not_after BIGINT,
      created_at BIGINT NOT NULL,
      expires_at BIGINT NOT NULL,
      processing_at BIGINT,
      csr_sha256 ${text},
      certificate_serial ${text},
      failed_at BIGINT,
      error TEXT,
      ends_at BIGINT
    )`,
    // orders.listIds, and accounts.deactivate
    'CREATE INDEX orders_by_account ON orders (account_id, created_at, id)',
    // retention
    'CREATE INDEX orders_by_end ON orders (ends_at) WHERE ends_at IS NOT NULL',

    `CREATE TABLE authorizations (
      id ${text} NOT NULL PRIMARY KEY,
      directory ${text} NOT NULL,
      account_id ${text} NOT NULL REFERENCES accounts (id),
      identifier_type ${text} NOT NULL CHECK (identifier_type IN ('dns', 'ip')),
      identifier_value ${text} NOT NULL,
      wildcard INTEGER NOT NULL CHECK (wildcard IN (0, 1)),
      profile ${text} NOT NULL,
      created_at BIGINT NOT NULL,
      expires_at BIGINT NOT NULL,
      deactivated_at BIGINT,
      revoked_at BIGINT
    )`,
    // authorizations.findReusable and findValid
    'CREATE INDEX authorizations_by_name ON authorizations (account_id, identifier_value, expires_at)',
    // retention
    'CREATE INDEX authorizations_by_expiry ON authorizations (expires_at)',

    `CREATE TABLE order_authorizations (
      order_id ${text} NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      authorization_id ${text} NOT NULL REFERENCES authorizations (id),
      PRIMARY KEY (order_id, position)
    ) ${compact}`,
    // Orders that hold an authorization: validationJobs.fail, authorizations.deactivate, retention
    'CREATE INDEX order_authorizations_by_authorization ON order_authorizations (authorization_id, order_id)',

    `CREATE TABLE challenges (
      id ${text} NOT NULL PRIMARY KEY,
      authorization_id ${text} NOT NULL REFERENCES authorizations (id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      type ${text} NOT NULL CHECK (type IN ('http-01', 'dns-01', 'tls-alpn-01')),
      token ${text} NOT NULL,
      responded_at BIGINT,
      key_authorization TEXT,
      validated_at BIGINT,
      failed_at BIGINT,
      error TEXT,
      CHECK (validated_at IS NULL OR failed_at IS NULL)
    )`,
    // Challenges of an authorization, in their order
    'CREATE UNIQUE INDEX challenges_by_authorization ON challenges (authorization_id, position)',

    // lease_until is 0 while nobody works on the job.
    `CREATE TABLE validation_jobs (
      challenge_id ${text} NOT NULL PRIMARY KEY REFERENCES challenges (id) ON DELETE CASCADE,
      authorization_id ${text} NOT NULL,
      attempts INTEGER NOT NULL,
      started_at BIGINT NOT NULL,
      run_at BIGINT NOT NULL,
      lease_owner TEXT,
      lease_until BIGINT NOT NULL
    )`,
    // validationJobs.lease
    'CREATE INDEX validation_jobs_due ON validation_jobs (run_at)',
    // The end of an authorization ends its jobs
    'CREATE INDEX validation_jobs_by_authorization ON validation_jobs (authorization_id)',

    // order_id is no foreign key: certificates outlive their orders. revocation_sequence rises per issuer with
    // every revocation and every raised reason, so that a CRL can say what it covers.
    `CREATE TABLE certificates (
      issuer_id ${text} NOT NULL,
      serial ${text} NOT NULL,
      order_id ${text},
      account_id ${text},
      directory ${text},
      identifiers TEXT NOT NULL,
      profile TEXT NOT NULL,
      spki_sha256 ${text} NOT NULL,
      not_before BIGINT NOT NULL,
      not_after BIGINT NOT NULL,
      tbs_der ${bytes} NOT NULL,
      tbs_sha256 ${text} NOT NULL,
      reserved_at BIGINT NOT NULL,
      certificate_der ${bytes},
      certificate_sha256 ${text},
      issued_at BIGINT,
      abandoned_at BIGINT,
      revoked_at BIGINT,
      revocation_reason INTEGER CHECK (revocation_reason IN (0, 1, 3, 4, 5, 9)),
      revocation_sequence BIGINT,
      revocation_changed_at BIGINT,
      PRIMARY KEY (issuer_id, serial),
      CHECK ((certificate_der IS NULL) = (issued_at IS NULL)),
      CHECK (issued_at IS NULL OR abandoned_at IS NULL),
      CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
    )`,
    // certificates.findBySerial
    'CREATE INDEX certificates_by_serial ON certificates (serial)',
    // certificates.listUnfinished
    `CREATE INDEX certificates_unfinished ON certificates (reserved_at)
      WHERE issued_at IS NULL AND abandoned_at IS NULL`,
    // crls.pendingSince
    `CREATE INDEX certificates_by_revocation ON certificates (issuer_id, revocation_sequence)
      WHERE revocation_sequence IS NOT NULL`,
    // crls.revokedEntries, page by page
    'CREATE INDEX certificates_revoked ON certificates (issuer_id, serial) WHERE revoked_at IS NOT NULL',
    // retention
    'CREATE INDEX certificates_by_expiry ON certificates (not_after)',
    // certificates.findForAccount; retention: an account with certificates stays
    'CREATE INDEX certificates_by_account ON certificates (account_id, serial) WHERE account_id IS NOT NULL',

    // CRL numbers are decimal text of fixed width: up to 20 octets (RFC 5280 §5.2.3), and sorted as text.
    `CREATE TABLE crls (
      issuer_id ${text} NOT NULL,
      number ${text} NOT NULL,
      this_update BIGINT NOT NULL,
      next_update BIGINT NOT NULL,
      crl_der ${bytes} NOT NULL,
      crl_sha256 ${text} NOT NULL,
      PRIMARY KEY (issuer_id, number)
    )`,

    // Per issuer: the counter of revocations, how far the newest CRL covers it, and who may build.
    `CREATE TABLE crl_state (
      issuer_id ${text} NOT NULL PRIMARY KEY,
      revocation_sequence BIGINT NOT NULL,
      covered_sequence BIGINT NOT NULL,
      last_number ${text} NOT NULL,
      last_this_update BIGINT,
      lease_owner TEXT,
      lease_until BIGINT NOT NULL
    )`,

    `CREATE TABLE blocked_keys (
      spki_sha256 ${text} NOT NULL PRIMARY KEY,
      blocked_at BIGINT NOT NULL,
      reason TEXT NOT NULL
    ) ${compact}`,

    `CREATE TABLE secrets (
      name ${text} NOT NULL PRIMARY KEY,
      value ${bytes} NOT NULL
    )`,

    `CREATE TABLE audit_events (
      id ${risingKey},
      at BIGINT NOT NULL,
      event ${text} NOT NULL,
      request_id ${text},
      directory ${text},
      account_id ${text},
      order_id ${text},
      serial ${text},
      data TEXT NOT NULL
    )`,
    // audit.findByReference, one index for each kind of reference
    'CREATE INDEX audit_events_by_request ON audit_events (request_id, id) WHERE request_id IS NOT NULL',
    'CREATE INDEX audit_events_by_account ON audit_events (account_id, id) WHERE account_id IS NOT NULL',
    'CREATE INDEX audit_events_by_order ON audit_events (order_id, id) WHERE order_id IS NOT NULL',
    'CREATE INDEX audit_events_by_serial ON audit_events (serial, id) WHERE serial IS NOT NULL',

    // One row, written by ping.
    'CREATE TABLE heartbeat (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), at BIGINT NOT NULL)',
  ],
}
