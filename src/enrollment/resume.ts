import { IssuanceError } from '../issuance/issuance-error.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { PrepareResult } from '../issuance/prepare.ts'
import { prepareStored } from '../issuance/prepare.ts'
import { RESUME_LIMIT_SECONDS } from '../issuance/resume-limit.ts'
import type { Proof, Requester } from '../policy/decision.ts'
import { isStopped } from '../store/eab-key.ts'
import type { CertificateRecord } from '../store/records.ts'
import type { DamagedReservation } from '../store/store.ts'
import { decisionRecord } from './decision-record.ts'
import type { EnrollmentDependencies } from './dependencies.ts'
import { issuersOf } from './dependencies.ts'
import { abandon, type Finished, finish, giveUp } from './finish.ts'
import { proofsOf } from './proofs.ts'
import { requesterOf } from './requester.ts'

/** Younger reservations are another process's running attempt, most likely; taking them up too would only sign twice. */
export const RESUME_AFTER_SECONDS = 30
const BATCH = 1000

/**
 * Takes up reservations that got no certificate: signs their stored bytes after asking every question again, or gives
 * them up when the answer is no or an hour has gone by (KF-E01, KF-E13).
 *
 * @param options.isRunning whether this process is at work on the reservation already
 * @param options.orphanedBefore who made the reservations before this instant is known to be dead, however young they are
 * @returns how many came to an end; those whose key still cannot be reached stay for the next time
 */
export async function resumeUnfinished(
  dependencies: EnrollmentDependencies,
  options: { readonly isRunning: (record: CertificateRecord) => boolean; readonly orphanedBefore?: Date },
): Promise<number> {
  const { store, clock, log } = dependencies
  const { isRunning, orphanedBefore = new Date(0) } = options
  const oldEnough = clock.now().getTime() - RESUME_AFTER_SECONDS * 1000
  const before = new Date(Math.max(oldEnough, orphanedBefore.getTime()))
  let ended = 0
  // A key that did not answer once is not waited for again in this pass, or the last of many would wait too long.
  const away = new Set<string>()
  for (const { reason, ...key } of await store.certificates.listDamaged(before, BATCH)) {
    log.error('certificate.reservation-damaged', { orderId: key.orderId, serial: key.serial, reason })
    if ((await abandonDamaged(dependencies, key, reason)).outcome !== 'processing') ended++
  }
  for (const record of await store.certificates.listUnfinished(before, BATCH)) {
    if (isRunning(record)) continue
    try {
      const { outcome } = await resumeOne(dependencies, record, away)
      if (outcome !== 'processing') ended++
    } catch (error) {
      if (error instanceof IssuanceError && error.code === 'DEFECTIVE') {
        if ((await abandon(dependencies, record, error.message)).outcome !== 'processing') ended++
        continue
      }
      // One reservation that cannot be judged now must not hold up the others.
      log.error('certificate.resume-failed', { orderId: record.orderId, serial: record.serial, error })
    }
  }
  return ended
}

async function resumeOne(dependencies: EnrollmentDependencies, record: CertificateRecord, away: Set<string>) {
  const { clock, log } = dependencies
  const ageSeconds = (clock.now().getTime() - record.reservedAt.getTime()) / 1000
  if (ageSeconds > RESUME_LIMIT_SECONDS) {
    return abandon(dependencies, record, `no certificate within ${RESUME_LIMIT_SECONDS} s of the reservation`)
  }
  const asking = await whoAsks(dependencies, record)
  if (typeof asking === 'string') return abandon(dependencies, record, asking)
  if (await dependencies.store.blockedKeys.isBlocked(record.spkiSha256))
    return abandon(dependencies, record, 'the public key was blocked meanwhile')
  const issuer = findIssuer(dependencies, record)
  if (issuer === undefined) {
    // An operator may be about to bring it back; until the limit above there is time.
    log.error('certificate.issuer-missing', { serial: record.serial, issuerId: record.issuerId })
    return { outcome: 'processing' } as const
  }
  if (away.has(issuer.id)) return { outcome: 'processing' } as const
  const noteIfAway = (finished: Finished): Finished => {
    if (finished.outcome === 'processing') away.add(issuer.id)
    return finished
  }
  const prepared = await prepareStored(record, asking, {
    issuer,
    policy: dependencies.policyFor(asking.requester),
    clock,
  })
  switch (prepared.outcome) {
    case 'prepared':
      log.info('certificate.resumed', { orderId: record.orderId, serial: record.serial })
      return noteIfAway(await finish(dependencies, record, prepared.token))
    case 'refused':
      return abandon(dependencies, record, `no longer allowed: ${reasonOf(prepared)}`, {
        decision: decisionRecord(prepared, record),
      })
    case 'unacceptable':
      return abandon(dependencies, record, `no longer allowed: ${reasonOf(prepared)}`)
    default:
      return prepared satisfies never
  }
}

/** Who the reservation was for, as they are now; a sentence when they may have nothing any more (KF-B24). */
async function whoAsks(
  { store, clock }: EnrollmentDependencies,
  record: CertificateRecord,
): Promise<{ readonly requester: Requester; readonly proofs?: readonly Proof[] } | string> {
  const { accountId, directory, orderId } = record
  if (accountId === undefined || directory === undefined) return { requester: { kind: 'server' } }
  const account = await store.accounts.find(directory, accountId)
  if (account === undefined || account.deactivatedAt !== undefined || account.revokedAt !== undefined)
    return 'the account ended meanwhile'
  if (isStopped(account, clock.now())) return 'the external account key of the account ended meanwhile'
  const found = orderId === undefined ? undefined : await store.orders.get(orderId)
  if (orderId !== undefined && (found === undefined || found.order.failedAt !== undefined))
    return 'the order ended meanwhile'
  return { requester: requesterOf(account), ...(found && { proofs: proofsOf(found) }) }
}

/** Nothing that was stored of it can be relied on, so the event holds only what finds it again (KF-E12). */
function abandonDamaged(
  dependencies: EnrollmentDependencies,
  key: Omit<DamagedReservation, 'reason'>,
  reason: string,
): Promise<Finished> {
  const { issuerId, serial, orderId } = key
  return giveUp(dependencies, key, {
    reason,
    audit: {
      at: dependencies.clock.now(),
      event: 'certificate.abandoned',
      ...(orderId === undefined ? {} : { orderId }),
      serial,
      data: { issuerId, reason },
    },
  })
}

function findIssuer(dependencies: EnrollmentDependencies, record: CertificateRecord): Issuer | undefined {
  return [...issuersOf(dependencies).values()].find((issuer) => issuer.id === record.issuerId)
}

function reasonOf(result: Exclude<PrepareResult, { outcome: 'prepared' }>): string {
  return result.outcome === 'refused' ? result.decision.reasons.map(({ detail }) => detail).join('; ') : result.detail
}
