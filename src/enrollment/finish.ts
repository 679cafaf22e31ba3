import { IssuanceError } from '../issuance/issuance-error.ts'
import { issue } from '../issuance/issue.ts'
import type { IssuanceToken } from '../issuance/prepare.ts'
import { SignerError } from '../signer/signer.ts'
import type { DecisionRecord } from '../store/decisions.ts'
import type { AuditEvent, CertificateRecord, StoredProblem } from '../store/records.ts'
import { certificateEvent } from './audit.ts'
import type { EnrollmentDependencies } from './dependencies.ts'
import type { EnrollmentResult } from './enrollment.ts'

export type Finished = Extract<EnrollmentResult, { outcome: 'issued' | 'processing' | 'failed' }>

/** What the requester learns of a failure that is ours; the operator finds the reason in log and audit by the serial. */
const INTERNAL_FAILURE = 'the certificate could not be issued because of a failure on the server; make a new order'

/**
 * From the stored reservation to the stored certificate: spends the token, and commits what came of it.
 *
 * A key that cannot be reached now leaves the reservation as it is (`processing`): `resume` takes it up again. A key
 * that answers wrongly, or not at all any more, ends it. A commit that fails leaves it too, whether or not the write
 * arrived: the signature made here is then forgotten, and the same bytes are signed again (KF-E01).
 */
export async function finish(
  dependencies: Pick<EnrollmentDependencies, 'store' | 'clock' | 'log' | 'metrics' | 'limits'>,
  record: CertificateRecord,
  token: IssuanceToken,
  requestId?: string,
): Promise<Finished> {
  const { store, clock, metrics, limits } = dependencies
  const names = limits?.namesOf(record)
  const log = dependencies.log.child({ requestId, orderId: record.orderId, serial: record.serial })
  const key = { issuerId: record.issuerId, serial: record.serial }
  const named = requestId === undefined ? {} : { requestId }

  let certificateDer: Buffer
  try {
    certificateDer = await issue(token, { metrics })
  } catch (error) {
    if (isTransient(error)) {
      log.warn('certificate.signer-unavailable', { error })
      return { outcome: 'processing' }
    }
    log.error('certificate.signing-failed', { error })
    return abandon(dependencies, record, error instanceof Error ? error.message : 'the signer failed', named)
  }

  const now = clock.now()
  try {
    const outcome = await store.certificates.complete(key, {
      certificateDer,
      now,
      ...(names && { names }),
      audit: certificateEvent('certificate.issued', record, now, named),
    })
    switch (outcome) {
      case 'completed':
      case 'order-ended':
        limits?.issued(record)
        metrics.count('chancery_certificates_issued_total', { profile: record.profile.name })
        log.info('certificate.issued', { profile: record.profile.name, notAfter: record.notAfter })
        return {
          outcome: 'issued',
          certificate: { ...record, certificateDer, issuedAt: now },
          isOrderDone: outcome === 'completed',
        }
      case 'unknown':
        break
      default:
        throw new TypeError(`unknown outcome ${String(outcome satisfies never)}`)
    }
    // Another process finished or gave up this reservation meanwhile. Only what it stored may be handed out: our own
    // signature over the same bytes would make a second certificate of one serial.
    const stored = await store.certificates.find(record.issuerId, record.serial)
    if (stored?.certificateDer !== undefined) return { outcome: 'issued', certificate: stored, isOrderDone: false }
    log.warn('certificate.given-up-elsewhere')
    return { outcome: 'failed' }
  } catch (error) {
    log.error('certificate.commit-failed', { error })
    return { outcome: 'processing' }
  }
}

/** Ends a reservation without a certificate. Its serial stays taken, its order fails. */
export function abandon(
  dependencies: Pick<EnrollmentDependencies, 'store' | 'clock' | 'log'>,
  record: CertificateRecord,
  reason: string,
  about: { readonly requestId?: string; readonly decision?: DecisionRecord } = {},
): Promise<Finished> {
  const { requestId } = about
  const named = requestId === undefined ? {} : { requestId }
  const audit = certificateEvent('certificate.abandoned', record, dependencies.clock.now(), { reason, ...named })
  return giveUp(dependencies, record, { reason, audit, ...about })
}

/** The same for one of which only the key is known. */
export async function giveUp(
  { store, log }: Pick<EnrollmentDependencies, 'store' | 'log'>,
  { issuerId, serial, orderId }: Pick<CertificateRecord, 'issuerId' | 'serial' | 'orderId'>,
  about: {
    readonly reason: string
    readonly audit: AuditEvent
    readonly requestId?: string
    readonly decision?: DecisionRecord
  },
): Promise<Finished> {
  const { reason, audit, requestId, decision } = about
  const error: StoredProblem = { type: 'serverInternal', status: 500, detail: INTERNAL_FAILURE }
  try {
    await store.certificates.abandon(
      { issuerId, serial },
      { now: audit.at, error, ...(decision && { decision }), audit },
    )
  } catch (cause) {
    log.error('certificate.commit-failed', { requestId, orderId, serial, error: cause })
    return { outcome: 'processing' }
  }
  log.warn('certificate.abandoned', { requestId, orderId, serial, reason })
  return { outcome: 'failed' }
}

function isTransient(error: unknown): boolean {
  if (error instanceof IssuanceError) return false
  if (!(error instanceof SignerError)) return false
  switch (error.code) {
    case 'UNAVAILABLE':
      return true
    case 'KEY_NOT_FOUND':
    case 'KEY_UNREADABLE':
    case 'KEY_EXPOSED':
      return false
    default:
      throw new TypeError(`unknown signer error ${String(error.code satisfies never)}`)
  }
}
