import { narrowProfile } from '../../issuance/narrow-profile.ts'
import { type Identifier, identifierKey } from '../../lib/identifier.ts'
import { newId } from '../../lib/ids.ts'
import type { Grant } from '../../policy/decision.ts'
import type { AccountRecord, OrderRecord, ProfileSnapshot } from '../../store/records.ts'
import type { Predecessor } from '../../store/store.ts'
import { chooseProfile } from '../choose-profile.ts'
import { decideOnNames } from '../decide-on-names.ts'
import { endedMeanwhile } from '../ended-account.ts'
import type { AcmeServices, AuthenticatedRequest, Endpoint } from '../endpoint.ts'
import { orderResponse } from '../find-order.ts'
import { accountOf } from '../find-owned.ts'
import { readIdentifiers } from '../identifiers.ts'
import { requireObject } from '../payload.ts'
import type { AuthorizationPlan } from '../plan-authorizations.ts'
import { planAuthorizations } from '../plan-authorizations.ts'
import { AcmeError } from '../problem.ts'
import { admitted, orGivenBack } from '../rate-limited.ts'
import { renderCertificateId } from '../renewal/certificate-id.ts'
import { readReplaces } from '../renewal/replaces.ts'
import type { RequestedValidity } from '../requested-validity.ts'
import { readRequestedValidity } from '../requested-validity.ts'
import { shapeOrder } from '../shape-order.ts'
import { orderStatus } from '../state/order.ts'

/**
 * Places an order (RFC 8555 §7.4): read, ask policy, reuse or create authorizations, store. Every request makes an
 * order of its own (CQ-O12), and none reads older orders (CQ-O15). Members that nobody knows are ignored.
 */
export const newOrder: Endpoint = async (request, services) => {
  const account = accountOf(request)
  const { directory } = request
  const payload = requireObject(request.payload, 'A new order')
  const now = services.clock.now()
  const identifiers = readIdentifiers(payload['identifiers'], services.settings.identifiersPerOrder)
  const offered = chooseProfile(payload, directory)
  const { profile, names, added, fault } = shapeOrder(offered, identifiers, account)
  const validity = readRequestedValidity(payload, {
    profile,
    maxNotBeforeAheadSeconds: directory.config.maxNotBeforeAhead,
    now,
  })
  const lifetimeSeconds = validity.notAfter && validity.lifetimeSeconds
  const grant = await decideOnNames(names, { request, account, profile, lifetimeSeconds, added, fault }, services)
  const replaces = await readReplaces(payload, { request, account, identifiers }, services)
  const { limits } = services
  const asked = { directory: directory.name, account, identifiers: names, isOrder: true }
  const taken = admitted(await limits.order(asked), limits)
  const placing = { request, account, identifiers, profile: narrowProfile(profile, grant), validity, replaces, now }
  const placed = await orGivenBack(placeOrder({ ...placing, methods: grant?.methods }, services), taken, limits)
  const found = { order: placed.order, authorizations: placed.plan.authorizations }
  services.metrics.count('chancery_orders_total', { event: 'created' })
  request.log.info('order.created', {
    orderId: placed.order.id,
    identifiers: identifiers.map(({ value }) => value),
    authorizationIds: placed.plan.authorizations.map(({ id }) => id),
    reused: placed.plan.authorizations.length - placed.plan.created.length,
    status: orderStatus(found, now),
    ...(placed.order.replaces !== undefined && { replaces: placed.order.replaces }),
  })
  return orderResponse(found, { request, services, now, status: 201 })
}

interface Placing {
  readonly request: AuthenticatedRequest
  readonly account: AccountRecord
  readonly identifiers: readonly Identifier[]
  readonly profile: ProfileSnapshot
  readonly validity: RequestedValidity
  readonly methods: Grant['methods'] | undefined
  readonly replaces: Predecessor | undefined
  readonly now: Date
}

const PLANS = 4

/** Plans and stores; plans again when an authorization to be reused ended in between. */
async function placeOrder(
  placing: Placing,
  services: AcmeServices,
): Promise<{ order: OrderRecord; plan: AuthorizationPlan }> {
  const { request, account, identifiers, profile, now } = placing
  for (let left = PLANS; left > 0; left--) {
    const plan = await planAuthorizations(
      identifiers,
      { directory: request.directory, profile, account, now, methods: placing.methods },
      services,
    )
    const order = draftOrder(placing, plan, services)
    const outcome = await services.store.orders.create(order, {
      authorizationIds: plan.authorizations.map(({ id }) => id),
      newAuthorizations: plan.created,
      now,
      ...(placing.replaces && { replaces: placing.replaces }),
      audit: {
        at: now,
        event: 'order.created',
        requestId: request.requestId,
        directory: request.directory.name,
        accountId: account.id,
        orderId: order.id,
        data: {
          identifiers: identifiers.map(({ type, value }) => `${type}:${value}`),
          profile: order.profile.name,
          ...(order.profile.version !== undefined && { profileVersion: order.profile.version }),
          ...(order.profile.addedNames && { addedNames: order.profile.addedNames.map(identifierKey) }),
          authorizationIds: plan.authorizations.map(({ id }) => id),
          ...(order.replaces !== undefined && { replaces: order.replaces }),
          ...preAuthorized(plan),
        },
      },
    })
    switch (outcome) {
      case 'created':
        return { order, plan }
      case 'account-ended':
        throw await endedMeanwhile(account, services)
      case 'already-replaced':
        throw new AcmeError(
          'alreadyReplaced',
          'Another order replaces this certificate already; go on with that one, or leave "replaces" out',
        )
      case 'stale':
        break
      default:
        throw new TypeError(`unknown outcome ${String(outcome satisfies never)}`)
    }
  }
  throw new AcmeError('serverInternal', 'The authorizations of this account are changing too fast; try again', {
    status: 503,
    retryAfterSeconds: 1,
  })
}

/** The grants by which names of the order need no challenge. */
function preAuthorized({ authorizations }: AuthorizationPlan): { nameGrants?: string[] } {
  const nameGrants = authorizations.flatMap(({ proof }) => proof?.grantId ?? [])
  return nameGrants.length === 0 ? {} : { nameGrants }
}

function draftOrder(placing: Placing, plan: AuthorizationPlan, services: AcmeServices): OrderRecord {
  const { request, account, identifiers, profile, validity, now } = placing
  return {
    id: newId(services.random, 'order', now),
    directory: request.directory.name,
    accountId: account.id,
    identifiers,
    profile,
    ...(validity.notBefore && { notBefore: validity.notBefore }),
    ...(validity.notAfter && { notAfter: validity.notAfter }),
    ...(placing.replaces && { replaces: renderCertificateId(placing.replaces) }),
    createdAt: now,
    expiresAt: orderExpiry(plan, services.settings.orderLifetimeSeconds, now),
  }
}

/** Not later than the earliest end of an authorization, for by then the order could not become ready any more. */
function orderExpiry(plan: AuthorizationPlan, lifetimeSeconds: number, now: Date): Date {
  const ends = plan.authorizations.map(({ expiresAt }) => expiresAt.getTime())
  return new Date(Math.min(now.getTime() + lifetimeSeconds * 1000, ...ends))
}
