import type { Endpoint } from '../endpoint.ts'
import { findOrder, orderResponse } from '../find-order.ts'
import { requireEmptyPayload } from '../payload.ts'

/** Reads an order (RFC 8555 §7.4). Nothing about an order can be changed by its URL. */
export const order: Endpoint = async (request, services) => {
  const found = await findOrder(request, services, request.params['id'])
  requireEmptyPayload(request.payload, 'An order')
  return orderResponse(found, { request, services, now: services.clock.now() })
}
