import type { OrderWithAuthorizations } from '../../store/records.ts'
import { orderState } from '../state/order.ts'
import type { DirectoryUrls } from '../urls.ts'
import { renderInstant } from './instant.ts'
import { renderStoredProblem } from './stored-problem.ts'

/**
 * An order object (RFC 8555 §7.1.3). `expires` and `finalize` are there in every state (CQ-T10, CQ-O02);
 * `certificate` only once valid, `error` only once invalid.
 */
export function renderOrder(
  found: OrderWithAuthorizations,
  context: { readonly urls: DirectoryUrls; readonly now: Date },
): object {
  const { order, authorizations } = found
  const { urls } = context
  const state = orderState(found, context.now)
  return {
    status: state.status,
    expires: renderInstant(order.expiresAt),
    identifiers: order.identifiers.map(({ type, value }) => ({ type, value })),
    ...(order.notBefore && { notBefore: renderInstant(order.notBefore) }),
    ...(order.notAfter && { notAfter: renderInstant(order.notAfter) }),
    profile: order.profile.name,
    // In every state (RFC 9773 §5, CQ-L05).
    ...(order.replaces !== undefined && { replaces: order.replaces }),
    authorizations: authorizations.map(({ id }) => urls.authorization(id)),
    finalize: urls.finalize(order.id),
    ...(state.status === 'valid' &&
      order.certificateSerial && { certificate: urls.certificate(order.certificateSerial) }),
    ...(state.status === 'invalid' && { error: renderStoredProblem(state.error) }),
  }
}
