import { IssuanceError } from '../issuance/issuance-error.ts'
import { ClockError } from '../lib/clock-guard.ts'
import type { CertificateRecord } from '../store/records.ts'
import type { EnrollmentDependencies } from './dependencies.ts'
import { type Claim, claim } from './enroll.ts'
import type { Enrollment, EnrollmentRequest, EnrollmentResult } from './enrollment.ts'
import { finish } from './finish.ts'
import { resumeUnfinished } from './resume.ts'

/** With this share of all issuances under way, no new order is taken, so that those in flight can finish. */
const SHARE_OF_NEW = 3 / 4

type Unavailable = Extract<EnrollmentResult, { outcome: 'unavailable' }>

/**
 * The road to a certificate: decide and prepare, commit the intent, sign, verify, commit the result. `enroll` throws
 * `IssuanceError` or `StoreError` when the fault is ours and nothing was claimed; the order can then be finalized again. `app/` calls `resume` at start and every so often.
 */
export function createEnrollment(dependencies: EnrollmentDependencies): Enrollment {
  const { clockGuard: guard } = dependencies
  const startedAt = dependencies.clock.now()
  /** Reservations that this process is signing, so that `resume` leaves them alone however long they take. */
  const running = new Set<string>()
  const keyOf = (record: CertificateRecord): string => `${record.issuerId}/${record.serial}`

  /** What passes by itself, or once the operator acts, is an outcome that the requester may try again after. */
  const claimOrExcuse = async (request: EnrollmentRequest): Promise<Claim | Unavailable> => {
    try {
      guard.check()
      return await claim(dependencies, request)
    } catch (error) {
      const isPassing = error instanceof ClockError || (error instanceof IssuanceError && error.code === 'ISSUER_UNFIT')
      if (!isPassing) throw error
      dependencies.log.error('enrollment.unavailable', {
        requestId: request.requestId,
        orderId: request.order?.id,
        error,
      })
      return { outcome: 'unavailable', cause: error }
    }
  }

  const { maxUnderWay = 256 } = dependencies
  let underWay = 0

  const claimAndFinish = async (request: EnrollmentRequest): Promise<EnrollmentResult> => {
    const claimed = await claimOrExcuse(request)
    if (claimed.outcome !== 'claimed') return claimed
    const { record, prepared } = claimed
    running.add(keyOf(record))
    try {
      return await finish(dependencies, record, prepared.token, request.requestId)
    } finally {
      running.delete(keyOf(record))
    }
  }

  return {
    async enroll(request) {
      // Before anything is claimed: an order that is refused here is still ready (KF-F23). Our own certificate always goes.
      if (request.order !== undefined && underWay >= maxUnderWay) return { outcome: 'busy' }
      underWay++
      try {
        return await claimAndFinish(request)
      } finally {
        underWay--
      }
    },
    pressure: () => underWay / Math.max(1, maxUnderWay * SHARE_OF_NEW),
    async resume({ noOthers = false } = {}) {
      guard.check()
      return resumeUnfinished(dependencies, {
        isRunning: (record) => running.has(keyOf(record)),
        ...(noOthers ? { orphanedBefore: startedAt } : {}),
      })
    },
  }
}
