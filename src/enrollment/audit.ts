import { isoInstant } from '../lib/instant.ts'
import type { Decision, Requester } from '../policy/decision.ts'
import type { AuditEvent, CertificateRecord } from '../store/records.ts'

/** The audit events of one certificate's life up to its release; each is written with the thing it tells of. */
export function certificateEvent(
  event: 'certificate.intended' | 'certificate.issued' | 'certificate.abandoned',
  record: CertificateRecord,
  at: Date,
  data: {
    readonly requestId?: string
    readonly requester?: Requester
    readonly decision?: Decision
    readonly reason?: string
  } = {},
): AuditEvent {
  return {
    at,
    event,
    ...(data.requestId === undefined ? {} : { requestId: data.requestId }),
    ...(record.directory === undefined ? {} : { directory: record.directory }),
    ...(record.accountId === undefined ? {} : { accountId: record.accountId }),
    ...(record.orderId === undefined ? {} : { orderId: record.orderId }),
    serial: record.serial,
    data: {
      issuerId: record.issuerId,
      profile: record.profile.name,
      ...(record.profile.version === undefined ? {} : { profileVersion: record.profile.version }),
      identifiers: record.identifiers.map(({ type, value }) => `${type}:${value}`),
      notBefore: isoInstant(record.notBefore),
      notAfter: isoInstant(record.notAfter),
      spkiSha256: record.spkiSha256,
      ...(data.requester?.kind === 'server' ? { requester: 'server' } : {}),
      ...(data.decision === undefined
        ? {}
        : { reasons: data.decision.reasons.map(({ rule, detail }) => `${rule}: ${detail}`) }),
      ...(data.reason === undefined ? {} : { reason: data.reason }),
    },
  }
}
