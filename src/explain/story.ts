import { type AuthorizationStatus, authorizationStatus } from '../acme/state/authorization.ts'
import { type OrderStatus, orderState } from '../acme/state/order.ts'
import { parseId } from '../lib/ids.ts'
import type { DecisionRecord, PolicyVersion } from '../store/decisions.ts'
import type {
  AccountRecord,
  AuditEvent,
  AuthorizationRecord,
  CertificateRecord,
  EabKeyRecord,
  OrderWithAuthorizations,
  StoredProblem,
} from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { Subject } from './subject.ts'

/** More than any order has; the story of a loop that went wild ends somewhere. */
const MAX_DECISIONS = 500
const MAX_EVENTS = 2000

/** Everything that is known of a request, an order or a certificate; no tokens, MACs or keys. Fit for JSON. */
export interface Story {
  readonly asked: Subject
  readonly order?: ToldOrder
  readonly account?: Omit<AccountRecord, 'jwk' | 'externalAccountBinding'>
  /** The external account key that the account was made with, as it is now. */
  readonly externalKey?: Omit<EabKeyRecord, 'wrappedMacKey'>
  /** Oldest first. */
  readonly decisions: readonly ToldDecision[]
  readonly authorizations: readonly ToldAuthorization[]
  readonly certificates: readonly ToldCertificate[]
  /** The audit trail of all this, proofs included, oldest first. */
  readonly events: readonly AuditEvent[]
}

export interface ToldOrder {
  readonly id: string
  readonly directory: string
  readonly status: OrderStatus
  readonly error?: StoredProblem
  readonly names: readonly string[]
  readonly profile: string
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly replaces?: string
  readonly createdAt: Date
  readonly expiresAt: Date
}

export type ToldDecision = DecisionRecord & {
  /** Of the file that decided, where its text is still kept. */
  readonly policy?: Omit<PolicyVersion, 'text'>
}

export interface ToldAuthorization {
  readonly id: string
  readonly name: string
  readonly status: AuthorizationStatus
  readonly expiresAt: Date
  readonly challenges: readonly {
    readonly type: string
    readonly respondedAt?: Date
    readonly validatedAt?: Date
    readonly failedAt?: Date
    readonly error?: StoredProblem
  }[]
}

export type ToldCertificate = Omit<CertificateRecord, 'tbsDer' | 'certificateDer' | 'profile' | 'identifiers'> & {
  readonly profile: string
  readonly names: readonly string[]
}

type Sources = Pick<
  Store,
  'orders' | 'accounts' | 'eabKeys' | 'certificates' | 'decisions' | 'policyVersions' | 'audit'
>

/** @returns undefined when nothing is known of it */
export async function findStory(store: Sources, asked: Subject, now: Date): Promise<Story | undefined> {
  const named = await store.audit.findByReference(asked.id, MAX_EVENTS)
  const issued = asked.kind === 'serial' ? await store.certificates.findBySerial(asked.id) : []
  const orderId = [
    ...(asked.kind === 'order' ? [asked.id] : []),
    ...issued.map((certificate) => certificate.orderId),
    ...named.map((event) => event.orderId),
  ].find((id) => id !== undefined)
  const references = orderId === undefined ? requestsOf(asked, named) : [orderId]
  const decisions = await decisionsAbout(store, references)
  const found = await orderOf(store, orderId ?? decisions[0]?.orderId)
  const ofOrder = orderId === undefined ? [] : await store.audit.findByReference(orderId, MAX_EVENTS)
  const serials = new Set([
    ...(asked.kind === 'serial' ? [asked.id] : []),
    ...[...ofOrder, ...named].flatMap(({ serial }) => serial ?? []),
    ...decisions.flatMap(({ serial }) => serial ?? []),
  ])
  const ofSerials: AuditEvent[] = []
  for (const serial of serials) ofSerials.push(...(await store.audit.findByReference(serial, MAX_EVENTS)))
  const events = [...named, ...ofOrder, ...ofSerials]
  const certificates = await certificatesOf(store, serials, events)
  if (events.length + decisions.length + certificates.length === 0 && found === undefined) return undefined

  const account = await accountOf(store, found, decisions, events)
  const eabKeyId = account?.eabKeyId
  const externalKey = eabKeyId && (await store.eabKeys.find(eabKeyId))
  const proofs = found === undefined ? [] : await proofEvents(store, found)
  return {
    asked,
    ...(found && { order: toldOrder(found, now) }),
    ...(account && { account: withoutKey(account) }),
    ...(externalKey && { externalKey: withoutSecret(externalKey) }),
    decisions: await withPolicies(store, decisions),
    authorizations: (found?.authorizations ?? []).map((one) => toldAuthorization(one, now)),
    certificates: certificates.map(toldCertificate),
    events: inOrder([...events, ...proofs]),
  }
}

/** A certificate that is of no order, such as the server's own, leads to its decision by the request that made it. */
function requestsOf({ kind, id }: Subject, events: readonly AuditEvent[]): string[] {
  if (kind !== 'serial') return [id]
  return [...new Set(events.filter(({ serial }) => serial === id).flatMap(({ requestId }) => requestId ?? []))]
}

async function decisionsAbout(store: Sources, references: readonly string[]): Promise<DecisionRecord[]> {
  const lists = references.map((reference) => store.decisions.find(reference, MAX_DECISIONS))
  return (await Promise.all(lists)).flat()
}

async function orderOf(store: Sources, id: string | undefined): Promise<OrderWithAuthorizations | undefined> {
  const orderId = id === undefined ? undefined : parseId('order', id)
  return orderId && store.orders.get(orderId)
}

/** Those that were issued, and reservations that were given up or are still open. */
async function certificatesOf(
  store: Sources,
  serials: ReadonlySet<string>,
  events: readonly AuditEvent[],
): Promise<CertificateRecord[]> {
  const found = new Map<string, CertificateRecord>()
  const add = (record: CertificateRecord | undefined): void => {
    if (record !== undefined) found.set(`${record.issuerId} ${record.serial}`, record)
  }
  for (const serial of serials) for (const record of await store.certificates.findBySerial(serial)) add(record)
  for (const { serial, data } of events) {
    const { issuerId } = data
    if (serial === undefined || typeof issuerId !== 'string' || found.has(`${issuerId} ${serial}`)) continue
    add(await store.certificates.find(issuerId, serial))
  }
  return [...found.values()].sort((a, b) => a.reservedAt.getTime() - b.reservedAt.getTime())
}

async function accountOf(
  store: Sources,
  found: OrderWithAuthorizations | undefined,
  decisions: readonly DecisionRecord[],
  events: readonly AuditEvent[],
): Promise<AccountRecord | undefined> {
  const named = [
    ...(found === undefined ? [] : [found.order]),
    ...decisions.map(({ request }) => (request.requester.kind === 'account' ? request.requester : {})),
    ...events,
  ]
  for (const { directory, accountId } of named as readonly { directory?: string; accountId?: string }[]) {
    const id = accountId === undefined ? undefined : parseId('account', accountId)
    if (directory !== undefined && id !== undefined) return store.accounts.find(directory, id)
  }
  return undefined
}

/** What the validator saw: its events name the account, because a proof may serve several orders. */
async function proofEvents(store: Sources, { order, authorizations }: OrderWithAuthorizations): Promise<AuditEvent[]> {
  const ids = new Set<unknown>(authorizations.map(({ id }) => id))
  const from = new Date(Math.min(order.createdAt.getTime(), ...authorizations.map((one) => one.createdAt.getTime())))
  const events = await store.audit.findProofs(order.accountId, { from, to: order.expiresAt, limit: MAX_EVENTS })
  return events.filter(({ data }) => ids.has(data['authorizationId']))
}

async function withPolicies(store: Sources, decisions: readonly DecisionRecord[]): Promise<ToldDecision[]> {
  const versions = new Map<string, ToldDecision['policy']>()
  for (const { decision } of decisions) {
    if (decision.version === undefined || versions.has(decision.version)) continue
    const found = await store.policyVersions.find(decision.version)
    const { text: _, ...told } = found ?? { text: '' }
    versions.set(decision.version, found && (told as Omit<PolicyVersion, 'text'>))
  }
  return decisions.map((record) => {
    const policy = record.decision.version === undefined ? undefined : versions.get(record.decision.version)
    return { ...record, ...(policy && { policy }) }
  })
}

function toldOrder(found: OrderWithAuthorizations, now: Date): ToldOrder {
  const { order } = found
  const state = orderState(found, now)
  return {
    id: order.id,
    directory: order.directory,
    status: state.status,
    ...(state.status === 'invalid' && { error: state.error }),
    names: order.identifiers.map(nameText),
    profile: order.profile.name,
    ...(order.notBefore && { notBefore: order.notBefore }),
    ...(order.notAfter && { notAfter: order.notAfter }),
    ...(order.replaces !== undefined && { replaces: order.replaces }),
    createdAt: order.createdAt,
    expiresAt: order.expiresAt,
  }
}

function toldAuthorization(authorization: AuthorizationRecord, now: Date): ToldAuthorization {
  const { id, identifier, wildcard, expiresAt, challenges } = authorization
  return {
    id,
    name: `${identifier.type}:${wildcard ? '*.' : ''}${identifier.value}`,
    status: authorizationStatus(authorization, now),
    expiresAt,
    challenges: challenges.map(({ type, respondedAt, validatedAt, failedAt, error }) => ({
      type,
      ...(respondedAt && { respondedAt }),
      ...(validatedAt && { validatedAt }),
      ...(failedAt && { failedAt }),
      ...(error && { error }),
    })),
  }
}

function toldCertificate(record: CertificateRecord): ToldCertificate {
  const { tbsDer: _, certificateDer: __, profile, identifiers, ...told } = record
  return { ...told, profile: profile.name, names: identifiers.map(nameText) }
}

function withoutKey(account: AccountRecord): Omit<AccountRecord, 'jwk' | 'externalAccountBinding'> {
  const { jwk: _, externalAccountBinding: __, ...told } = account
  return told
}

function withoutSecret(key: EabKeyRecord): Omit<EabKeyRecord, 'wrappedMacKey'> {
  const { wrappedMacKey: _, ...told } = key
  return told
}

function nameText({ type, value }: { readonly type: string; readonly value: string }): string {
  return `${type}:${value}`
}

/** Each event once, by its time. */
function inOrder(events: readonly AuditEvent[]): AuditEvent[] {
  const distinct = new Map(events.map((event) => [JSON.stringify(event), event]))
  return [...distinct.values()].sort((a, b) => a.at.getTime() - b.at.getTime())
}
