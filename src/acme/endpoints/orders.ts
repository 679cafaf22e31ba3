import type { Endpoint } from '../endpoint.ts'
import { ownAccount } from '../own-account.ts'
import { requireEmptyPayload } from '../payload.ts'
import { AcmeError } from '../problem.ts'

const PAGE_SIZE = 100
/** Characters that stand for themselves in a query (RFC 3986 §2.3). */
const CURSOR = /^[A-Za-z0-9._~-]{1,200}$/

/** The orders of an account, newest first, in pages linked by `rel="next"` (RFC 8555 §7.1.2.1, CQ-A06). */
export const orders: Endpoint = async (request, services) => {
  const account = ownAccount(request)
  requireEmptyPayload(request.payload, 'The list of orders')
  const { urls } = request.directory
  const cursor = readCursor(request.query)
  const page = await services.store.orders.listIds(account.directory, account.id, {
    now: services.clock.now(),
    limit: PAGE_SIZE,
    ...(cursor !== undefined && { cursor }),
  })
  const next = page.nextCursor
  return {
    status: 200,
    ...(next !== undefined && { links: [{ url: urls.orders(account.id, next), rel: 'next' as const }] }),
    body: { orders: page.orderIds.map((id) => urls.order(id)) },
  }
}

function readCursor(query: URLSearchParams): string | undefined {
  const names = [...query.keys()]
  if (names.length === 0) return undefined
  const cursor = query.get('cursor')
  if (names.length > 1 || cursor === null || !CURSOR.test(cursor)) {
    throw new AcmeError('malformed', 'The query is not one that a rel="next" link of this list had')
  }
  return cursor
}
