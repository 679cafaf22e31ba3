import { ACCOUNT_COLUMNS } from './accounts.ts'

/** The statements of a restore. Those that look at whole tables run once, while nothing is served, and say so. */

export const BEGIN = `
  INSERT INTO store_lineages (epoch, lineage, started_at, branched_after, finished_at) VALUES (?, ?, ?, ?, NULL)`

export const RENAME = 'UPDATE store_lineages SET lineage = ?, started_at = ? WHERE epoch = ?'

export const FINISH = 'UPDATE store_lineages SET finished_at = ? WHERE epoch = ?'

export const NEWEST_EVENT = 'SELECT id FROM audit_events WHERE id > 0 ORDER BY id DESC LIMIT 1'

// Only an open or given-up reservation of the same bytes becomes a certificate.
export const PUT_CERTIFICATE = `
  UPDATE certificates SET certificate_der = ?, certificate_sha256 = ?, issued_at = ?, abandoned_at = NULL
  WHERE issuer_id = ? AND serial = ? AND issued_at IS NULL AND tbs_sha256 = ?`

export const PUT_ORDER = `
  UPDATE orders SET processing_at = COALESCE(processing_at, ?), certificate_serial = ?, ends_at = ?
  WHERE id = ? AND account_id = ? AND failed_at IS NULL AND certificate_serial IS NULL`

export const PUT_REVOCATION = `
  UPDATE certificates
  SET revoked_at = ?, revocation_reason = ?, revocation_sequence = ?, revocation_changed_at = ?
  WHERE issuer_id = ? AND serial = ? AND issued_at IS NOT NULL`

export const FREE_THUMBPRINT = `UPDATE accounts SET thumbprint = 'restoring ' || id WHERE id = ?`

export const FIND_HOLDER = 'SELECT id FROM accounts WHERE directory = ? AND thumbprint = ?'

export const REVOKE_ACCOUNT = 'UPDATE accounts SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?'

export const CHANGE_ACCOUNT = `
  UPDATE accounts SET jwk = ?, thumbprint = ?, spki_sha256 = ?, contact = ?,
    deactivated_at = COALESCE(deactivated_at, ?), revoked_at = COALESCE(revoked_at, ?)
  WHERE id = ? AND directory = ?`

export const ADD_ACCOUNT = `
  INSERT INTO accounts (${ACCOUNT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// What was spent in the lost time is spent; the rest is as it was last.
export const PUT_EAB_KEY = `
  UPDATE eab_keys SET directories = ?, label = ?, owner = ?, attributes = ?, member_of = ?, scope = ?, max_uses = ?,
    expires_at = ?, accounts_end_at = ?, used_at = COALESCE(?, used_at), used_by = COALESCE(?, used_by),
    uses = CASE WHEN uses < ? THEN ? ELSE uses END, revoked_at = COALESCE(revoked_at, ?)
  WHERE id = ?`

export const END_JOBS = '/* restore */ DELETE FROM validation_jobs'

export const END_ABANDONED = `/* restore */
  UPDATE certificates SET abandoned_at = ? WHERE issued_at IS NULL AND abandoned_at IS NULL`

export const END_ORDERS = `/* restore */
  UPDATE orders SET failed_at = ?, error = ?, ends_at = ?
  WHERE failed_at IS NULL AND certificate_serial IS NULL AND (processing_at IS NOT NULL OR expires_at > ?)`

// Proofs too: one that was withdrawn in the lost time must not count again, and a client can prove anew.
export const END_AUTHORIZATIONS = `/* restore */
  UPDATE authorizations SET revoked_at = ?
  WHERE revoked_at IS NULL AND deactivated_at IS NULL AND expires_at > ?`

export const END_EAB_KEYS = `/* restore */
  UPDATE eab_keys SET revoked_at = ?, ends_at = CASE WHEN uses = 0 THEN ? ELSE ends_at END
  WHERE (max_uses IS NULL OR uses < max_uses) AND revoked_at IS NULL AND expires_at > ?`

// One that was revoked in the lost time must not come alive again.
export const END_NAME_GRANTS = `/* restore */
  UPDATE name_grants SET revoked_at = ?, ends_at = ? WHERE revoked_at IS NULL AND expires_at > ?`

export const FORGET_SECRET = 'DELETE FROM secrets WHERE name = ?'

// They are of the key that is forgotten as well, and nothing would ask for them.
export const FORGET_NONCES = '/* restore */ DELETE FROM nonces'

export const FORGET_CRLS = '/* restore */ DELETE FROM crls'

export const CRL_ISSUERS = `/* restore */
  SELECT issuer_id FROM crl_state UNION SELECT DISTINCT issuer_id FROM certificates`
