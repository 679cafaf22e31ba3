import { decisionFacts } from '../enrollment/decision-record.ts'
import type { EnrollmentResult } from '../enrollment/enrollment.ts'
import { proofsOf, provedIdentifier } from '../enrollment/proofs.ts'
import { requesterOf } from '../enrollment/requester.ts'
import { distinctIdentifiers } from '../lib/identifier.ts'
import { within } from '../lib/within.ts'
import type { AccountRecord, OrderRecord, OrderWithAuthorizations } from '../store/records.ts'
import type { SubjectPublicKey } from '../x509/spki.ts'
import type { AcmeServices, AuthenticatedRequest } from './endpoint.ts'
import { AcmeError } from './problem.ts'
import { refusalError } from './refusal.ts'
import { orderStatus } from './state/order.ts'

/** How the claim of an order ended, as far as the requester must know; the order itself tells the rest. */
export interface ClaimOutcome {
  readonly outcome: 'issued' | 'processing' | 'failed' | 'not-ready'
  /** What the order became; absent where it must be read to know. */
  readonly order?: OrderRecord
}

/** The whole answer is due within 3 s (CQ-F01). */
const PATIENCE_MS = 2_500
/** How often to wait that long again while the claim is not even made; then the server is too busy. */
const EXTENSIONS = 8
/** An operator has to act before it is worth a try. */
const UNAVAILABLE_RETRY_SECONDS = 60
const BUSY_RETRY_SECONDS = 4

/**
 * Takes a ready order down the one road to a certificate, and waits a short while for it. Slow signing goes on after
 * the answer; what becomes of it is in the order.
 *
 * @throws {AcmeError} when it is refused; the order is then still ready
 */
export async function enrollOrder(
  found: OrderWithAuthorizations,
  asked: {
    readonly publicKey: SubjectPublicKey
    readonly csrSha256: string
    readonly account: AccountRecord
    readonly request: AuthenticatedRequest
  },
  services: AcmeServices,
): Promise<ClaimOutcome> {
  const { order } = found
  const { request, account } = asked
  const work = services.enrollment.enroll({
    requestId: request.requestId,
    requester: requesterOf(account),
    identifiers: distinctIdentifiers([
      ...found.authorizations.map(provedIdentifier),
      ...(order.profile.addedNames ?? []),
    ]),
    proofs: proofsOf(found),
    publicKey: asked.publicKey,
    profile: order.profile,
    ...(order.notBefore && { notBefore: order.notBefore }),
    ...(order.notAfter && { notAfter: order.notAfter }),
    order: { id: order.id, directory: order.directory, accountId: order.accountId, csrSha256: asked.csrSha256 },
  })
  const result = await patiently(work, order, services)
  if (result === undefined) {
    void work.then(
      (late) => request.log.info('order.enrolled-late', { orderId: order.id, outcome: late.outcome }),
      (error: unknown) => request.log.error('order.enrolled-late', { orderId: order.id, outcome: 'error', error }),
    )
    return { outcome: 'processing' }
  }
  if (result.outcome === 'issued' && result.isOrderDone) {
    const { reservedAt: processingAt, serial: certificateSerial } = result.certificate
    return { outcome: 'issued', order: { ...order, processingAt, csrSha256: asked.csrSha256, certificateSerial } }
  }
  return outcomeOf(result, request, { orderId: order.id, now: services.clock.now() })
}

function outcomeOf(
  result: EnrollmentResult,
  request: AuthenticatedRequest,
  { orderId, now }: { readonly orderId: string; readonly now: Date },
): ClaimOutcome {
  switch (result.outcome) {
    case 'issued':
    case 'processing':
    case 'failed':
    case 'not-ready':
      return { outcome: result.outcome }
    case 'refused': {
      const facts = decisionFacts(result.decision)
      request.log.info('policy.denied', { orderId, ...facts })
      // An allowing decision cannot refuse; if one does, the refusal stands without a reason.
      if (result.decision.outcome === 'allow') throw new AcmeError('unauthorized', 'The certificate was refused')
      throw refusalError(result.decision, request.requestId, now)
    }
    case 'unavailable':
      throw new AcmeError(
        'serverInternal',
        'The server cannot issue at this time; the order is still ready, so send the same request again later',
        { status: 503, retryAfterSeconds: UNAVAILABLE_RETRY_SECONDS },
      )
    case 'busy':
      throw new AcmeError(
        'serverInternal',
        'Too many certificates are being signed; the order is still ready, so send the same request again later',
        { status: 503, retryAfterSeconds: BUSY_RETRY_SECONDS, isBusy: true },
      )
    case 'unacceptable':
      throw new AcmeError(result.about === 'validity' ? 'malformed' : 'badCSR', result.detail)
    default:
      return result satisfies never
  }
}

/**
 * The result, or undefined when the order was claimed and is taking long. An order that is not claimed yet would read
 * `ready`, which a client must not see after its finalize was accepted (CQ-F09); so that is waited for.
 */
async function patiently(
  work: Promise<EnrollmentResult>,
  order: OrderWithAuthorizations['order'],
  services: Pick<AcmeServices, 'clock' | 'store'>,
): Promise<EnrollmentResult | undefined> {
  for (let left = EXTENSIONS; left > 0; left--) {
    const result = await within(services.clock, PATIENCE_MS, work, () => undefined)
    if (result !== undefined) return result
    const now = await services.store.orders.get(order.id)
    if (now !== undefined && orderStatus(now, services.clock.now()) !== 'ready') return undefined
  }
  throw new AcmeError('serverInternal', 'The server is too busy to issue now; send the same request again', {
    status: 503,
    retryAfterSeconds: 5,
  })
}
