import assert from 'node:assert/strict'
import type { Identifier } from '../../../src/lib/identifier.ts'
import type { AccountRecord, AuthorizationRecord, CertificateRecord, OrderRecord } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import type { FakeClock } from '../../support/fake-clock.ts'
import {
  accountRecord,
  auditEvent,
  authorizationRecord,
  certificateRecord,
  hours,
  later,
  orderRecord,
  repeatableRandom,
} from '../../support/records.ts'

/** A store of the engine under test, and what only an engine's own test can do to it. */
export interface StoreUnderTest {
  readonly store: Store
  /** Runs a statement behind the store's back, as a flipped bit or an operator would. */
  execute(statement: string, ...params: (string | number | Uint8Array)[]): Promise<void>
  /**
   * Makes the database refuse every insert into or update of a table, or of rows with one value only, with the
   * message `injected`. @returns what makes it well again
   */
  refuse(
    operation: 'insert' | 'update',
    table: string,
    only?: { readonly column: string; readonly value: string },
  ): Promise<() => Promise<void>>
  /** Ends the store and opens another on the same data; absent where data ends with the store. */
  readonly reopen?: () => Promise<Store>
  cleanup(): Promise<void>
}

/** Runs a test with a fresh store. */
export type WithStore = (fn: (under: StoreUnderTest & { readonly clock: FakeClock }) => Promise<void>) => Promise<void>

export async function createAccount(
  store: Store,
  now: Date,
  fields: Partial<AccountRecord> = {},
): Promise<AccountRecord> {
  const account = accountRecord(now, fields)
  const created = await store.accounts.create(account, { now, audit: auditEvent(now, 'account.created') })
  assert.equal(created.outcome, 'created')
  return account
}

export interface PlacedOrder {
  readonly order: OrderRecord
  readonly authorizations: readonly AuthorizationRecord[]
}

/** An order of its own authorizations, all pending. */
export async function placeOrder(
  store: Store,
  account: AccountRecord,
  names: readonly Identifier[],
  now: Date,
  fields: Partial<OrderRecord> = {},
): Promise<PlacedOrder> {
  const order = orderRecord(account, names, now, fields)
  const authorizations = names.map((name) => authorizationRecord(account, name, now))
  const links = { authorizationIds: authorizations.map(({ id }) => id), newAuthorizations: authorizations }
  const audit = auditEvent(now, 'order.created', { orderId: order.id })
  assert.equal(await store.orders.create(order, { ...links, now, audit }), 'created')
  return { order, authorizations }
}

/** Answers the first challenge of an authorization; returns whatever enqueue says. */
export function respond(store: Store, authorization: AuthorizationRecord, now: Date, owner = 'runner 1') {
  const [challenge] = authorization.challenges
  assert.ok(challenge)
  return store.validationJobs.enqueue(
    { challenge, authorization },
    {
      now,
      keyAuthorization: `${challenge.token}.thumbprint`,
      owner,
      leaseUntil: later(now, 60_000),
      audit: auditEvent(now, 'challenge.responded'),
    },
  )
}

/** Proves an authorization by its first challenge, good for `lastsMs`. */
export async function prove(
  store: Store,
  authorization: AuthorizationRecord,
  now: Date,
  lastsMs = hours(8),
): Promise<void> {
  assert.equal((await respond(store, authorization, now)).outcome, 'queued')
  const audit = auditEvent(now, 'authorization.valid')
  const options = { owner: 'runner 1', now, expiresAt: later(now, lastsMs), audit }
  assert.equal(await store.validationJobs.succeed(firstChallengeId(authorization), options), 'done')
}

export function firstChallengeId(authorization: AuthorizationRecord) {
  const [challenge] = authorization.challenges
  assert.ok(challenge)
  return challenge.id
}

export async function readyOrder(
  store: Store,
  account: AccountRecord,
  names: readonly Identifier[],
  now: Date,
  fields: Partial<OrderRecord> = {},
): Promise<PlacedOrder> {
  const placed = await placeOrder(store, account, names, now, fields)
  for (const authorization of placed.authorizations) await prove(store, authorization, now)
  return placed
}

export function begin(store: Store, certificate: CertificateRecord, now: Date) {
  const audit = auditEvent(now, 'certificate.reserved', { serial: certificate.serial })
  return store.certificates.begin(certificate, { now, csrSha256: 'c5'.repeat(32), audit })
}

export function complete(store: Store, certificate: CertificateRecord, now: Date, certificateDer = anyDer()) {
  const audit = auditEvent(now, 'certificate.issued', { serial: certificate.serial })
  return store.certificates.complete(certificate, { certificateDer, now, audit })
}

/** An issued certificate that stands for no order. */
export async function issueCertificate(
  store: Store,
  now: Date,
  fields: Parameters<typeof certificateRecord>[1] = {},
): Promise<CertificateRecord> {
  const certificate = certificateRecord(now, fields)
  assert.equal(await begin(store, certificate, now), 'begun')
  assert.equal(await complete(store, certificate, now), 'completed')
  return certificate
}

export function revoke(
  store: Store,
  certificate: { readonly issuerId: string; readonly serial: string },
  now: Date,
  reason: 0 | 1 | 3 | 4 | 5 | 9 = 4,
  raiseToKeyCompromise = false,
) {
  const audit = auditEvent(now, 'certificate.revoked', { serial: certificate.serial })
  return store.certificates.revoke(certificate, { now, reason, raiseToKeyCompromise, audit })
}

const COPIED = `issuer_id, order_id, account_id, directory, identifiers, profile, spki_sha256, not_before, not_after, tbs_der,
  tbs_sha256, reserved_at, certificate_der, certificate_sha256, issued_at, revoked_at, revocation_reason,
  revocation_sequence, revocation_changed_at`

/**
 * Puts copies of a revoked certificate beside it, under other serials, where a test needs rows by the thousand: one
 * statement instead of three transactions for each.
 */
export async function copyRevoked(
  { execute }: Pick<StoreUnderTest, 'execute'>,
  certificate: { readonly issuerId: string; readonly serial: string },
  serials: readonly string[],
): Promise<void> {
  if (serials.length === 0) return
  await execute(
    `INSERT INTO certificates (serial, ${COPIED})
      WITH copies (copy) AS (VALUES ${serials.map(() => '(?)').join(', ')})
      SELECT copy, ${COPIED} FROM copies, certificates WHERE issuer_id = ? AND serial = ?`,
    ...serials,
    certificate.issuerId,
    certificate.serial,
  )
}

export function publish(store: Store, issuerId: string, number: bigint, upTo: number, now: Date) {
  const crl = { issuerId, number, thisUpdate: now, nextUpdate: later(now, hours(24)), crlDer: anyDer() }
  return store.crls.publish(crl, upTo, auditEvent(now, 'crl.published'))
}

/** One pass of a publisher: lists what there is, and publishes it. @returns the serials listed */
export async function buildCrl(store: Store, issuerId: string, number: bigint, now: Date): Promise<string[]> {
  const { entries, upTo } = await store.crls.revokedEntries(issuerId, now)
  assert.equal(await publish(store, issuerId, number, upTo, now), 'published')
  return entries.map(({ serial }) => serial)
}

/** The id of a nonce as the store wants it given out. */
export function nonceId(store: Store, expiresAt: Date): string {
  return (store.nonces.newId?.(expiresAt) ?? repeatableRandom.bytes(12)).toString('base64url')
}

export function anyDer(): Buffer {
  return repeatableRandom.bytes(400)
}

export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}

/** How often each outcome came. */
export function tally(outcomes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

export async function eventNames(store: Store, reference: string): Promise<string[]> {
  return (await store.audit.findByReference(reference, 1000)).map(({ event }) => event)
}
