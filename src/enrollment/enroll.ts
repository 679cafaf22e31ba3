import type { Decided } from '../issuance/examine.ts'
import type { Issuer } from '../issuance/issuer.ts'
import type { Prepared } from '../issuance/prepare.ts'
import { prepare } from '../issuance/prepare.ts'
import { newSerial } from '../issuance/serial.ts'
import type { AccountId } from '../lib/ids.ts'
import type { Decision } from '../policy/decision.ts'
import { checkPublicKey } from '../policy/key-policy.ts'
import type { NameClaim } from '../store/issued-names.ts'
import type { CertificateRecord } from '../store/records.ts'
import type { KeyAlgorithmName } from '../x509/algorithms.ts'
import { KEY_ALGORITHMS } from '../x509/algorithms.ts'
import { certificateEvent } from './audit.ts'
import { decisionFacts, decisionRecord } from './decision-record.ts'
import type { EnrollmentDependencies } from './dependencies.ts'
import { issuersOf } from './dependencies.ts'
import type { EnrollmentRequest, EnrollmentResult } from './enrollment.ts'

/** Two collisions of 128 random bits in a row mean a broken generator, not bad luck. */
const SERIAL_ATTEMPTS = 5

/** Of many requests for one name at once, each sees that another one was first, and is decided again. */
const ATTEMPTS = 100

/** Which kinds the requester may have is policy's to say; here only keys that are broken are kept out, for every front end (KF-C12). */
const EVERY_KIND = { algorithms: Object.keys(KEY_ALGORITHMS) as KeyAlgorithmName[], minRsaBits: 2048, maxRsaBits: 8192 }

export type Claim =
  | { readonly outcome: 'claimed'; readonly record: CertificateRecord; readonly prepared: Prepared }
  | Extract<EnrollmentResult, { outcome: 'refused' | 'unacceptable' | 'not-ready' | 'busy' }>

/**
 * The first half of an enrollment: decides, prepares, and commits the intent. When this returns `claimed`, the order
 * is processing and serial and bytes are durable; the key has not been used.
 *
 * @throws {IssuanceError} when the issuer or the profile is at fault; nothing was claimed
 * @throws {StoreError}
 */
export async function claim(dependencies: EnrollmentDependencies, request: EnrollmentRequest): Promise<Claim> {
  const { store, clock, random, log } = dependencies
  const faults = checkPublicKey(request.publicKey, EVERY_KIND)
  if (faults.length > 0) return { outcome: 'unacceptable', about: 'key', detail: faults.join('; ') }
  const issuer = findIssuer(dependencies, request)
  const policy = dependencies.policyFor(request.requester)
  let collisions = 0
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const serial = newSerial(random)
    const prepared = await prepare({ ...request, serial }, { issuer, policy, clock })
    if (prepared.outcome === 'refused') await keepRefusal(dependencies, request, prepared)
    if (prepared.outcome !== 'prepared') return prepared
    const now = clock.now()
    const record = recordOf(request, issuer, serial, prepared, now)
    const audit = certificateEvent('certificate.intended', record, now, {
      requestId: request.requestId,
      requester: request.requester,
      decision: prepared.decision,
    })
    const outcome = await store.certificates.begin(record, {
      now,
      decision: decisionRecord(prepared, { ...record, reference: request.requestId }),
      audit,
      ...namesOf(prepared.decision),
      ...(request.order === undefined ? {} : { csrSha256: request.order.csrSha256 }),
    })
    switch (outcome) {
      case 'begun':
        for (const warning of prepared.warnings)
          log.warn('certificate.lint', { requestId: request.requestId, serial: record.serial, warning })
        return { outcome: 'claimed', record, prepared }
      case 'not-ready':
        return { outcome: 'not-ready' }
      case 'key-blocked':
        return {
          outcome: 'unacceptable',
          about: 'key',
          detail: 'this public key is blocked because its private key was reported as compromised; make a new key',
        }
      case 'serial-taken':
        log.error('certificate.serial-taken', { requestId: request.requestId, serial: record.serial })
        if (++collisions === SERIAL_ATTEMPTS)
          throw new Error(`${SERIAL_ATTEMPTS} random serials were taken; the random generator repeats itself`)
        break
      case 'names-changed':
        break
      default:
        throw new TypeError(`unknown outcome ${String(outcome satisfies never)}`)
    }
  }
  return { outcome: 'busy' }
}

function namesOf(decision: Decision): { names?: readonly NameClaim[] } {
  return decision.outcome === 'allow' && decision.counted !== undefined ? { names: decision.counted } : {}
}

function findIssuer(dependencies: EnrollmentDependencies, request: EnrollmentRequest): Issuer {
  const issuer = issuersOf(dependencies).get(request.profile.issuer)
  if (issuer !== undefined) return issuer
  throw new Error(
    `profile ${request.profile.name} names the issuer ${JSON.stringify(request.profile.issuer)}, which does not exist here`,
  )
}

/** A refusal is kept with its reasons before the requester hears of it, whatever front end it came through. */
async function keepRefusal(
  { store }: EnrollmentDependencies,
  { requestId, requester, order }: EnrollmentRequest,
  refused: Decided,
): Promise<void> {
  const about = { reference: requestId, ...(order && { orderId: order.id }) }
  await store.decisions.append(decisionRecord(refused, about), {
    at: refused.asked.at,
    event: 'policy.denied',
    requestId,
    ...(requester.kind === 'account' && { directory: requester.directory, accountId: requester.accountId }),
    ...(order && { orderId: order.id }),
    data: decisionFacts(refused.decision),
  })
}

function recordOf(
  request: EnrollmentRequest,
  issuer: Issuer,
  serial: Buffer,
  prepared: Prepared,
  now: Date,
): CertificateRecord {
  const { order, requester } = request
  return {
    serial: serial.toString('hex'),
    issuerId: issuer.id,
    ...(order === undefined ? {} : { orderId: order.id }),
    ...(requester.kind === 'account'
      ? { accountId: requester.accountId as AccountId, directory: requester.directory }
      : {}),
    identifiers: request.identifiers,
    profile: request.profile,
    spkiSha256: request.publicKey.sha256,
    notBefore: prepared.notBefore,
    notAfter: prepared.notAfter,
    tbsDer: prepared.tbsDer,
    reservedAt: now,
  }
}
