import type { RequestId } from '../lib/ids.ts'
import type { OrderWithAuthorizations } from '../store/records.ts'
import { AcmeError } from './problem.ts'
import { reference } from './refusal.ts'
import { authorizationStatus } from './state/authorization.ts'
import { orderState } from './state/order.ts'

/** Why an order cannot be finalized now (RFC 8555 §7.4), and what to do about it. */
export function orderNotReady(
  found: OrderWithAuthorizations,
  context: { readonly now: Date; readonly requestId: RequestId },
): AcmeError {
  return new AcmeError('orderNotReady', `${explain(found, context.now)} (${reference(context.requestId)})`)
}

function explain(found: OrderWithAuthorizations, now: Date): string {
  const state = orderState(found, now)
  switch (state.status) {
    case 'pending': {
      const waiting = found.authorizations.filter(
        (authorization) => authorizationStatus(authorization, now) !== 'valid',
      )
      const names = waiting
        .slice(0, 10)
        .map(({ identifier, wildcard }) => (wildcard ? `*.${identifier.value}` : identifier.value))
      const more = waiting.length > names.length ? ` and ${waiting.length - names.length} more` : ''
      return `The order is pending; these authorizations are not valid yet: ${names.join(', ')}${more}`
    }
    case 'ready':
      return 'The order changed while it was being finalized; read it again'
    case 'processing':
      return 'The order is processing a different CSR; wait for it, or place a new order'
    case 'valid':
      return 'The order already has a certificate, for a different CSR; place a new order'
    case 'invalid':
      return `The order is invalid: ${state.error.detail}`
    default:
      return state satisfies never
  }
}
