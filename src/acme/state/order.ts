import { baseName, isWildcard } from '../../lib/identifier.ts'
import type { AuthorizationRecord, OrderRecord, OrderWithAuthorizations, StoredProblem } from '../../store/records.ts'
import type { AuthorizationStatus } from './authorization.ts'
import { authorizationStatus } from './authorization.ts'

export type OrderStatus = 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'

/**
 * An order's status, with the reason where it is `invalid`: the stored error, or what the clock or an authorization
 * did to it.
 */
export type OrderState =
  | { readonly status: Exclude<OrderStatus, 'invalid'> }
  | { readonly status: 'invalid'; readonly error: StoredProblem }

/**
 * The status of an order (RFC 8555 §7.1.6), from its facts, its authorizations and the clock. The only place that
 * says when an order is ready.
 *
 * Once claimed by a finalize it is `processing` whatever the clock says, until it has a certificate or failed: its
 * certificate may already be signed, and a client must never see it go back (CQ-F09). An order whose authorizations
 * do not cover its identifiers one by one is invalid, not ready (KF-A19).
 */
export function orderState({ order, authorizations }: OrderWithAuthorizations, now: Date): OrderState {
  if (order.failedAt !== undefined) return { status: 'invalid', error: order.error ?? UNEXPLAINED }
  if (order.certificateSerial !== undefined) return { status: 'valid' }
  if (order.processingAt !== undefined) return { status: 'processing' }
  if (now >= order.expiresAt) return invalid('malformed', 400, EXPIRED)
  if (!coversEveryIdentifier(order, authorizations)) return { status: 'invalid', error: UNEXPLAINED }
  let status: 'ready' | 'pending' = 'ready'
  for (const authorization of authorizations) {
    const of = authorizationStatus(authorization, now)
    const ended = endOfProof(of, authorization)
    if (ended !== undefined) return invalid('unauthorized', 403, ended)
    if (of !== 'valid') status = 'pending'
  }
  return { status }
}

export function orderStatus(found: OrderWithAuthorizations, now: Date): OrderStatus {
  return orderState(found, now).status
}

const EXPIRED = 'The order expired before it was finalized; place a new order'
const UNEXPLAINED: StoredProblem = {
  type: 'serverInternal',
  detail: 'The order could not be completed; place a new order',
  status: 500,
}

function invalid(type: string, status: number, detail: string): OrderState {
  return { status: 'invalid', error: { type, detail, status } }
}

/** What became of the proof, in words that no client takes for a status of the order (CQ-O13); undefined while it may count. */
function endOfProof(status: AuthorizationStatus, { identifier }: AuthorizationRecord): string | undefined {
  const of = `authorization of ${identifier.value}`
  switch (status) {
    case 'pending':
    case 'valid':
      return undefined
    case 'invalid':
      return `The ${of} failed; place a new order`
    case 'expired':
      return `The ${of} expired; place a new order`
    case 'deactivated':
      return `The ${of} was given up by its account; place a new order`
    case 'revoked':
      return `The ${of} was withdrawn by the server; place a new order`
    default:
      return status satisfies never
  }
}

function coversEveryIdentifier(order: OrderRecord, authorizations: readonly AuthorizationRecord[]): boolean {
  if (order.identifiers.length === 0 || order.identifiers.length !== authorizations.length) return false
  return order.identifiers.every((identifier, index) => {
    const of = authorizations[index]
    if (of === undefined || of.accountId !== order.accountId || of.profile !== order.profile.name) return false
    if (of.identifier.type !== identifier.type || of.identifier.value !== baseName(identifier)) return false
    return of.wildcard === isWildcard(identifier)
  })
}
