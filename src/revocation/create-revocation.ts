import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { RevocationReason } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { Revocation } from './revocation.ts'

/** The reasons that may be given (RFC 5280 §5.3.1), and their names for logs and metrics. The rest is refused (KF-D07). */
export const REVOCATION_REASONS = {
  0: 'unspecified',
  1: 'keyCompromise',
  3: 'affiliationChanged',
  4: 'superseded',
  5: 'cessationOfOperation',
  9: 'privilegeWithdrawn',
} as const satisfies Record<RevocationReason, string>

/** Whether a number from outside is a reason that may be given: not certificateHold, nor one that is about CAs. */
export function isRevocationReason(value: unknown): value is RevocationReason {
  return typeof value === 'number' && Object.hasOwn(REVOCATION_REASONS, value)
}

const KEY_COMPROMISE = 1

export function createRevocation(dependencies: {
  readonly store: Pick<Store, 'certificates'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Told of each issuer whose list changed; never waited for. */
  readonly publisher: { notify(issuerId: string): void }
}): Revocation {
  const { store, clock, log, metrics, publisher } = dependencies
  return {
    async revoke(request) {
      const { issuerId, serial, reason } = request
      if (!isRevocationReason(reason))
        throw new RangeError(`${String(reason)} is not a reason for which a certificate is revoked here`)
      const at = clock.now()
      // Whole seconds, as in the CRL.
      const now = new Date(Math.floor(at.getTime() / 1000) * 1000)
      const result = await store.certificates.revoke(
        { issuerId, serial },
        {
          now,
          reason,
          // Anybody who may revoke could otherwise have a stranger's key blocked afterwards (KF-D06).
          raiseToKeyCompromise: request.provedKey && reason === KEY_COMPROMISE,
          audit: {
            // Or a certificate that is revoked in its first second would be so before it was issued.
            at,
            event: 'certificate.revoked',
            requestId: request.requestId,
            ...(request.directory === undefined ? {} : { directory: request.directory }),
            ...(request.accountId === undefined ? {} : { accountId: request.accountId }),
            serial,
            data: { issuerId, reason: REVOCATION_REASONS[reason], by: request.by, provedKey: request.provedKey },
          },
        },
      )
      switch (result.outcome) {
        case 'revoked':
        case 'raised':
          metrics.count('chancery_certificates_revoked_total', { reason: REVOCATION_REASONS[reason] })
          log.info('certificate.revoked', {
            requestId: request.requestId,
            serial,
            issuerId,
            reason: REVOCATION_REASONS[reason],
            by: request.by,
            outcome: result.outcome,
          })
          publisher.notify(issuerId)
          return result
        case 'already':
        case 'unknown':
          return result
        default:
          return result satisfies never
      }
    },
  }
}
