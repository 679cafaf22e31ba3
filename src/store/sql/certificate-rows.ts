import type { Identifier } from '../../lib/identifier.ts'
import type { AccountId, OrderId } from '../../lib/ids.ts'
import type { CertificateRecord, ProfileSnapshot, RevocationReason } from '../records.ts'
import type { SqlValue } from './database.ts'
import { digest, fromJson, intactBytes, listFromJson, type Mutable, toDate } from './encoding.ts'

export interface CertificateRow {
  readonly issuer_id: string
  readonly serial: string
  readonly order_id: string | null
  readonly account_id: string | null
  readonly directory: string | null
  readonly identifiers: string
  readonly profile: string
  readonly spki_sha256: string
  readonly not_before: number
  readonly not_after: number
  readonly tbs_der: Uint8Array
  readonly tbs_sha256: string
  readonly reserved_at: number
  readonly certificate_der: Uint8Array | null
  readonly certificate_sha256: string | null
  readonly issued_at: number | null
  readonly abandoned_at: number | null
  readonly revoked_at: number | null
  readonly revocation_reason: number | null
}

const RESERVATION_COLUMNS = `
  issuer_id, serial, order_id, account_id, directory, identifiers, profile, spki_sha256, not_before, not_after,
  tbs_der, tbs_sha256, reserved_at`

export const CERTIFICATE_COLUMNS = `${RESERVATION_COLUMNS},
  certificate_der, certificate_sha256, issued_at, abandoned_at, revoked_at, revocation_reason`

export const INSERT_RESERVATION = `
  INSERT INTO certificates (${RESERVATION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (issuer_id, serial) DO NOTHING`

/** What a reservation stores; what comes later in a certificate's life is not looked at. */
export function reservationParams(certificate: CertificateRecord): SqlValue[] {
  return [
    certificate.issuerId,
    certificate.serial,
    certificate.orderId ?? null,
    certificate.accountId ?? null,
    certificate.directory ?? null,
    JSON.stringify(certificate.identifiers),
    JSON.stringify(certificate.profile),
    certificate.spkiSha256,
    certificate.notBefore.getTime(),
    certificate.notAfter.getTime(),
    certificate.tbsDer,
    digest(certificate.tbsDer),
    certificate.reservedAt.getTime(),
  ]
}

/** @throws {StoreError} `failed` when the row cannot be read, or its DER is not what was stored (KF-E12) */
export function toCertificate(row: CertificateRow): CertificateRecord {
  const place = { table: 'certificates', id: row.serial }
  const certificate: Mutable<CertificateRecord> = {
    serial: row.serial,
    issuerId: row.issuer_id,
    identifiers: listFromJson<Identifier>(row.identifiers, { ...place, column: 'identifiers' }),
    profile: fromJson<ProfileSnapshot>(row.profile, { ...place, column: 'profile' }),
    spkiSha256: row.spki_sha256,
    notBefore: toDate(row.not_before),
    notAfter: toDate(row.not_after),
    tbsDer: intactBytes(row.tbs_der, row.tbs_sha256, { ...place, column: 'tbs_der' }),
    reservedAt: toDate(row.reserved_at),
  }
  if (row.order_id !== null) certificate.orderId = row.order_id as OrderId
  if (row.account_id !== null) certificate.accountId = row.account_id as AccountId
  if (row.directory !== null) certificate.directory = row.directory
  if (row.certificate_der !== null) {
    const column = 'certificate_der'
    certificate.certificateDer = intactBytes(row.certificate_der, row.certificate_sha256 ?? '', { ...place, column })
  }
  if (row.issued_at !== null) certificate.issuedAt = toDate(row.issued_at)
  if (row.abandoned_at !== null) certificate.abandonedAt = toDate(row.abandoned_at)
  if (row.revoked_at !== null) certificate.revokedAt = toDate(row.revoked_at)
  if (row.revocation_reason !== null) certificate.revocationReason = row.revocation_reason as RevocationReason
  return certificate
}
