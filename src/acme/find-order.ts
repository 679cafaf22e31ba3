import type { OrderId } from '../lib/ids.ts'
import { parseId } from '../lib/ids.ts'
import type { OrderWithAuthorizations } from '../store/records.ts'
import type { AcmeResponse, AcmeServices, AuthenticatedRequest } from './endpoint.ts'
import { accountOf, notFound } from './find-owned.ts'
import { pollSeconds } from './poll-interval.ts'
import { renderOrder } from './render/order.ts'
import { orderStatus } from './state/order.ts'

/**
 * The requester's order of this URL.
 *
 * @throws {AcmeError} when there is none, it is another account's, or the text is no order id
 */
export async function findOrder(
  request: AuthenticatedRequest,
  services: Pick<AcmeServices, 'store'>,
  idText: string | undefined,
): Promise<OrderWithAuthorizations> {
  const id: OrderId | undefined = parseId('order', idText ?? '')
  const found = id && (await services.store.orders.find(request.directory.name, accountOf(request).id, id))
  if (found === undefined) throw notFound('order')
  return found
}

/** An order as every endpoint answers with it: always with `Location`, which some clients need on finalize too (CQ-O01). */
export function orderResponse(
  found: OrderWithAuthorizations,
  context: {
    readonly request: AuthenticatedRequest
    readonly services: Pick<AcmeServices, 'pollSeconds'>
    readonly now: Date
    readonly status?: 200 | 201
  },
): AcmeResponse {
  const { urls } = context.request.directory
  return {
    status: context.status ?? 200,
    location: urls.order(found.order.id),
    ...(orderStatus(found, context.now) === 'processing' && {
      retryAfterSeconds: pollSeconds('issuance', context.services),
    }),
    body: renderOrder(found, { urls, now: context.now }),
  }
}
