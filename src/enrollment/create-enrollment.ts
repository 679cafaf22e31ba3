import type { CertificateRecord } from '../store/records.ts'
import { createClockGuard } from './clock-guard.ts'
import type { EnrollmentDependencies } from './dependencies.ts'
import { claim } from './enroll.ts'
import type { Enrollment } from './enrollment.ts'
import { finish } from './finish.ts'
import { resumeUnfinished } from './resume.ts'

/**
 * The road to a certificate: decide and prepare, commit the intent, sign, verify, commit the result. `enroll` throws
 * `ClockError`, `IssuanceError` or `StoreError` when the fault is ours and nothing was claimed; the order can then be
 * finalized again. `app/` calls `resume` at start and every so often.
 */
export function createEnrollment(dependencies: EnrollmentDependencies): Enrollment {
  const guard = createClockGuard({ clock: dependencies.clock, toleranceSeconds: dependencies.clockToleranceSeconds })
  /** Reservations that this process is signing, so that `resume` leaves them alone however long they take. */
  const running = new Set<string>()
  const keyOf = (record: CertificateRecord): string => `${record.issuerId}/${record.serial}`

  return {
    async enroll(request) {
      guard.check()
      const claimed = await claim(dependencies, request)
      if (claimed.outcome !== 'claimed') return claimed
      const { record, prepared } = claimed
      running.add(keyOf(record))
      try {
        return await finish(dependencies, record, prepared.token, request.requestId)
      } finally {
        running.delete(keyOf(record))
      }
    },
    async resume() {
      guard.check()
      return resumeUnfinished(dependencies, (record) => running.has(keyOf(record)))
    },
  }
}
