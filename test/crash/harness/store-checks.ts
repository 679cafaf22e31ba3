import type { Eyes } from './eyes.ts'
import type { OutsideRecord } from './record.ts'
import type { Signatures } from './signatures.ts'

/**
 * A promise as a query that finds what breaks it, one row each with a `what`. No table may be read whole
 * for each row of another: while a rule is checked, nobody answers the server's validations.
 */
interface Rule {
  readonly promise: string
  readonly sql: string
}

const NO_EVENT = (event: string): string =>
  `NOT EXISTS (SELECT 1 FROM audit_events e WHERE e.serial = c.serial AND e.event = '${event}')`

/** Must hold at every commit, so at any moment and after any crash. */
const ALWAYS: readonly Rule[] = [
  { promise: 'audit', sql: `SELECT c.serial AS what FROM certificates c WHERE ${NO_EVENT('certificate.intended')}` },
  {
    promise: 'audit',
    sql: `SELECT c.serial AS what FROM certificates c WHERE c.issued_at IS NOT NULL AND ${NO_EVENT('certificate.issued')}`,
  },
  {
    promise: 'audit',
    sql: `SELECT c.serial AS what FROM certificates c WHERE c.revoked_at IS NOT NULL AND ${NO_EVENT('certificate.revoked')}`,
  },
  {
    promise: 'audit',
    sql: `SELECT a.id AS what FROM accounts a WHERE NOT EXISTS (
      SELECT 1 FROM audit_events e WHERE e.account_id = a.id AND e.event = 'account.created')`,
  },
  {
    promise: 'accounts',
    sql: `SELECT e.account_id AS what FROM audit_events e WHERE e.event = 'account.created'
      AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = e.account_id)`,
  },
  {
    promise: 'one-certificate',
    sql: `SELECT c.order_id AS what FROM certificates c WHERE c.issued_at IS NOT NULL AND c.order_id IS NOT NULL
      GROUP BY c.order_id HAVING COUNT(*) > 1`,
  },
  {
    promise: 'order-state',
    sql: `SELECT o.id AS what FROM orders o WHERE o.certificate_serial IS NOT NULL AND (o.certificate_serial, o.id) NOT IN (
      SELECT c.serial, c.order_id FROM certificates c WHERE c.order_id IS NOT NULL AND c.issued_at IS NOT NULL)`,
  },
  {
    promise: 'order-state',
    sql: `SELECT o.id AS what FROM orders o JOIN certificates c ON c.order_id = o.id
      WHERE c.issued_at IS NOT NULL AND o.certificate_serial IS NULL AND o.failed_at IS NULL`,
  },
  {
    promise: 'order-state',
    sql: `SELECT o.id AS what FROM orders o WHERE o.processing_at IS NOT NULL
      AND o.id NOT IN (SELECT c.order_id FROM certificates c WHERE c.order_id IS NOT NULL)`,
  },
  {
    promise: 'eab-once',
    sql: `SELECT a.eab_key_id AS what FROM accounts a WHERE a.eab_key_id IS NOT NULL
      GROUP BY a.eab_key_id HAVING COUNT(*) > 1`,
  },
  {
    promise: 'eab-once',
    sql: `SELECT a.eab_key_id AS what FROM accounts a WHERE a.eab_key_id IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM eab_keys k WHERE k.id = a.eab_key_id AND k.used_by = a.id AND k.used_at IS NOT NULL)`,
  },
  {
    promise: 'crl-number',
    sql: `SELECT s.issuer_id AS what FROM crl_state s
      WHERE s.last_number <> COALESCE((SELECT MAX(l.number) FROM crls l WHERE l.issuer_id = s.issuer_id), '')`,
  },
]

/** Must hold when the server had time to take up what crashes left. */
const IN_THE_END: readonly Rule[] = [
  {
    promise: 'order-ends',
    sql: `SELECT c.serial AS what FROM certificates c WHERE c.issued_at IS NULL AND c.abandoned_at IS NULL`,
  },
  {
    promise: 'order-ends',
    sql: `SELECT o.id AS what FROM orders o
      WHERE o.processing_at IS NOT NULL AND o.certificate_serial IS NULL AND o.failed_at IS NULL`,
  },
]

const TBS = 'SELECT tbs_der FROM certificates WHERE serial = ?'
const ISSUED =
  'SELECT certificate_der, revoked_at, revocation_reason FROM certificates WHERE serial = ? AND issued_at IS NOT NULL'

/** Everything that was signed since the last look is known to the store, with the very bytes (KF-E01). */
export async function checkSignatures(eyes: Eyes, record: OutsideRecord, signatures: Signatures): Promise<void> {
  const conflict = (serial: string): void =>
    record.violation('serial-once', `two different certificates were signed under the serial ${serial}`)
  for (const { serial, tbsHex } of signatures.readNew(conflict)) {
    const known = (await eyes.rows(TBS, serial)).some(({ tbs_der }) => hexOf(tbs_der) === tbsHex)
    if (!known) record.violation('intent-first', `${serial} was signed, and the store does not know its bytes`)
  }
}

export async function checkRules(eyes: Eyes, record: OutsideRecord, when: 'always' | 'end'): Promise<void> {
  for (const { promise, sql } of when === 'always' ? ALWAYS : [...ALWAYS, ...IN_THE_END]) {
    for (const { what } of await eyes.rows(sql)) record.violation(promise, `${String(what)}: ${oneLine(sql)}`)
  }
  for (const defect of await eyes.defects()) record.violation('integrity', defect)
}

/** Every acknowledged certificate and revocation is in the store as it was acknowledged. */
export async function checkCertificates(eyes: Eyes, record: OutsideRecord): Promise<void> {
  for (const { serial, der, revokedFor } of record.certificates.values()) {
    const [row] = await eyes.rows(ISSUED, serial)
    if (row === undefined || hexOf(row['certificate_der']) !== der.toString('hex'))
      record.violation(
        'certificates',
        `${serial} was handed out, and the store ${row ? 'has other bytes' : 'forgot it'}`,
      )
    else if (revokedFor !== undefined && Number(row['revocation_reason'] ?? -1) !== revokedFor)
      record.violation(
        'revocation',
        `${serial} was revoked for ${revokedFor}; the store says ${String(row['revocation_reason'])}`,
      )
  }
}

function hexOf(bytes: unknown): string {
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString('hex') : ''
}

const oneLine = (sql: string): string => sql.replaceAll(/\s+/g, ' ')
