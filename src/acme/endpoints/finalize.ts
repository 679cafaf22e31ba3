import { hash } from 'node:crypto'
import type { OrderWithAuthorizations } from '../../store/records.ts'
import type { CertificationRequest } from '../../x509/csr.ts'
import { readDerField } from '../base64-field.ts'
import { checkCsrNames } from '../csr-match.ts'
import type { AcmeResponse, AcmeServices, AuthenticatedRequest, Endpoint } from '../endpoint.ts'
import { enrollOrder } from '../enroll-order.ts'
import { findOrder, orderResponse } from '../find-order.ts'
import { accountOf } from '../find-owned.ts'
import { orderNotReady } from '../order-not-ready.ts'
import { AcmeError } from '../problem.ts'
import { checkCsrKey, readCsr } from '../read-csr.ts'
import { reference } from '../refusal.ts'
import { orderState } from '../state/order.ts'

/**
 * Finalizes an order (RFC 8555 §7.4). The state of the order speaks first, then the CSR, then its key, then the one
 * road to a certificate. A CSR that is refused leaves the order ready. The same CSR again is answered with the order,
 * because some clients poll that way (CQ-F02).
 */
export const finalize: Endpoint = async (request, services) => {
  const found = await findOrder(request, services, request.params['id'])
  const { order } = found
  const state = orderState(found, services.clock.now())
  switch (state.status) {
    case 'pending':
    case 'invalid':
      throw refuseState(found, request, services)
    case 'processing':
    case 'valid':
      return answerRepeat(found, { csrSha256: sha256(readCsrField(request, services)), request, services })
    case 'ready':
      break
    default:
      return state satisfies never
  }
  const csr = await explained(request, order.id, services, async () => {
    const read = readCsr(readCsrField(request, services))
    checkCsrNames(read, order.identifiers, order.profile.addedNames)
    await checkCsrKey(read, request.directory, services)
    return read
  })
  return claim(found, { csr, csrSha256: sha256(csr.der), request, services })
}

interface Finalizing {
  readonly request: AuthenticatedRequest
  readonly services: AcmeServices
  readonly csrSha256: string
}

async function claim(
  found: OrderWithAuthorizations,
  context: Finalizing & { csr: CertificationRequest },
): Promise<AcmeResponse> {
  const { request, services, csr, csrSha256 } = context
  const { outcome, order } = await explained(request, found.order.id, services, () =>
    enrollOrder(found, { publicKey: csr.publicKey, csrSha256, account: accountOf(request), request }, services),
  )
  const after = order ? { ...found, order } : await findOrder(request, services, found.order.id)
  request.log.info('order.finalize', { orderId: found.order.id, outcome, serial: after.order.certificateSerial })
  if (outcome === 'not-ready') return answerRepeat(after, context)
  return orderResponse(after, { request, services, now: services.clock.now() })
}

/** Somebody claimed the order before: with the same CSR it is the same wish, and gets the order. */
function answerRepeat(found: OrderWithAuthorizations, { request, services, csrSha256 }: Finalizing): AcmeResponse {
  const now = services.clock.now()
  const { status } = orderState(found, now)
  const isClaimed = status === 'processing' || status === 'valid'
  if (!isClaimed || found.order.csrSha256 !== csrSha256) throw refuseState(found, request, services)
  return orderResponse(found, { request, services, now })
}

function refuseState(found: OrderWithAuthorizations, request: AuthenticatedRequest, services: AcmeServices): AcmeError {
  const error = orderNotReady(found, { now: services.clock.now(), requestId: request.requestId })
  const { id: orderId } = found.order
  request.log.info('order.finalize', { orderId, outcome: 'refused', problem: error.type, detail: error.message })
  return error
}

function readCsrField(request: AuthenticatedRequest, services: AcmeServices): Buffer {
  return readDerField('csr', request.payload === '' ? undefined : request.payload['csr'], services)
}

/**
 * Runs a step whose refusal the operator can look up: it is logged with the order, kept in the audit trail, and
 * carries the reference (CQ-F10).
 */
async function explained<T>(
  request: AuthenticatedRequest,
  orderId: OrderWithAuthorizations['order']['id'],
  services: AcmeServices,
  step: () => Promise<T>,
): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (!(error instanceof AcmeError)) throw error
    const { type, message: detail, options } = error
    request.log.info('order.finalize', { orderId, outcome: 'refused', problem: type, detail })
    if (error.status >= 500) throw error
    await services.store.audit.append([
      {
        at: services.clock.now(),
        event: 'order.finalize.refused',
        requestId: request.requestId,
        directory: request.directory.name,
        accountId: accountOf(request).id,
        orderId,
        data: { problem: type, detail },
      },
    ])
    if (detail.includes(request.requestId)) throw error
    throw new AcmeError(type, `${detail} (${reference(request.requestId)})`, {
      ...options,
      status: error.status,
      cause: error,
    })
  }
}

function sha256(bytes: Buffer): string {
  return hash('sha256', bytes, 'hex')
}
