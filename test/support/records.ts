import { createHash } from 'node:crypto'
import { changeLineage, revoking } from '../../src/external-accounts/lineage.ts'
import type { Identifier } from '../../src/lib/identifier.ts'
import { type AccountId, type EabKeyId, newId } from '../../src/lib/ids.ts'
import type { Random } from '../../src/lib/random.ts'
import type { DecisionRecord } from '../../src/store/decisions.ts'
import type {
  AccountRecord,
  AuditEvent,
  AuthorizationRecord,
  CertificateRecord,
  ChallengeType,
  EabKeyRecord,
  NameGrantRecord,
  OrderRecord,
  ProfileSnapshot,
  StoredProblem,
} from '../../src/store/records.ts'
import type { Store } from '../../src/store/store.ts'

/** Records with sensible values, for tests of what stores and uses them. Every id and key is a new one. */

let drawn = 0

/** The same bytes in every run, and never the same twice in one. */
export const repeatableRandom: Random = {
  bytes: (count) => createHash('shake256', { outputLength: count }).update(`draw ${drawn++}`).digest(),
}

export const DIRECTORY = 'default'

export const PROFILE: ProfileSnapshot = {
  name: 'default',
  lifetimeSeconds: 86_400,
  maxLifetimeSeconds: 7 * 86_400,
  backdateSeconds: 60,
  extendedKeyUsages: ['serverAuth'],
  subject: 'empty',
  issuer: 'default',
}

export const ISSUER_ID = 'a1'.repeat(20)

export function hours(count: number): number {
  return count * 3_600_000
}

export function later(instant: Date, ms: number): Date {
  return new Date(instant.getTime() + ms)
}

export function anyHex(octets: number): string {
  return repeatableRandom.bytes(octets).toString('hex')
}

export function accountRecord(now: Date, fields: Partial<AccountRecord> = {}): AccountRecord {
  return {
    id: newId(repeatableRandom, 'account', now),
    directory: DIRECTORY,
    jwk: { kty: 'OKP', crv: 'Ed25519', x: repeatableRandom.bytes(32).toString('base64url') },
    thumbprint: repeatableRandom.bytes(32).toString('base64url'),
    spkiSha256: anyHex(32),
    contact: ['mailto:ops@example.test'],
    createdAt: now,
    ...fields,
  }
}

export function eabKeyRecord(now: Date, fields: Partial<EabKeyRecord> = {}): EabKeyRecord {
  return {
    id: newId(repeatableRandom, 'eab-key', now),
    directory: DIRECTORY,
    wrappedMacKey: repeatableRandom.bytes(60),
    label: 'team a',
    createdAt: now,
    expiresAt: later(now, hours(24)),
    ...fields,
  }
}

export function dnsName(value: string): Identifier {
  return { type: 'dns', value }
}

/** An authorization for an order's identifier, `*.` included, with one challenge of each given type. */
export function authorizationRecord(
  account: { readonly id: AccountId; readonly directory: string },
  name: Identifier,
  now: Date,
  fields: Partial<AuthorizationRecord> & { readonly challengeTypes?: readonly ChallengeType[] } = {},
): AuthorizationRecord {
  const { challengeTypes = ['http-01', 'dns-01'], ...rest } = fields
  const id = newId(repeatableRandom, 'authorization', now)
  const wildcard = name.type === 'dns' && name.value.startsWith('*.')
  return {
    id,
    directory: account.directory,
    accountId: account.id,
    identifier: wildcard ? { type: name.type, value: name.value.slice(2) } : name,
    wildcard,
    profile: PROFILE.name,
    createdAt: now,
    expiresAt: later(now, hours(24)),
    challenges: challengeTypes.map((type) => ({
      id: newId(repeatableRandom, 'challenge', now),
      authorizationId: id,
      type,
      token: repeatableRandom.bytes(32).toString('base64url'),
    })),
    ...rest,
  }
}

export function orderRecord(
  account: { readonly id: AccountId; readonly directory: string },
  identifiers: readonly Identifier[],
  now: Date,
  fields: Partial<OrderRecord> = {},
): OrderRecord {
  return {
    id: newId(repeatableRandom, 'order', now),
    directory: account.directory,
    accountId: account.id,
    identifiers,
    profile: PROFILE,
    createdAt: now,
    expiresAt: later(now, hours(24)),
    ...fields,
  }
}

/** A reservation; with an order as `placeOrder` returns it, one that claims it. */
export function certificateRecord(
  now: Date,
  fields: Partial<CertificateRecord> & { readonly order?: OrderRecord; readonly authorizations?: unknown } = {},
): CertificateRecord {
  const { order, authorizations: _, ...rest } = fields
  return {
    serial: `4${anyHex(16).slice(1)}`,
    issuerId: ISSUER_ID,
    ...(order && { orderId: order.id, accountId: order.accountId, directory: order.directory }),
    identifiers: order?.identifiers ?? [dnsName('ca.internal')],
    profile: order?.profile ?? PROFILE,
    spkiSha256: anyHex(32),
    notBefore: later(now, -60_000),
    notAfter: later(now, hours(24)),
    tbsDer: repeatableRandom.bytes(300),
    reservedAt: now,
    ...rest,
  }
}

export function auditEvent(now: Date, event: string, fields: Partial<AuditEvent> = {}): AuditEvent {
  return { at: now, event, data: {}, ...fields }
}

export function problem(detail: string, type = 'unauthorized'): StoredProblem {
  return { type, detail, status: 403 }
}

/** A refusal at newOrder, or what `fields` make of it. */
export function decisionRecord(at: Date, fields: Partial<DecisionRecord> = {}): DecisionRecord {
  const name = { type: 'dns', value: 'www.corp.test' } as const
  return {
    request: {
      requester: {
        kind: 'account',
        directory: DIRECTORY,
        accountId: 'acc_one',
        externalKey: { id: 'eab_one', attributes: { team: 'a' }, groups: ['web'] },
      },
      stage: 'order',
      profile: PROFILE.name,
      names: [name],
      lifetimeSeconds: 3600,
      at,
    },
    decision: {
      outcome: 'deny',
      reasons: [{ rule: 'names.dns', code: 'name-not-allowed', detail: 'no', name }],
      version: '0123456789abcdef',
      nearMisses: [{ rule: 'team-b', name: 'dns:www.corp.test', misses: ['the rule is for others'] }],
    },
    ...fields,
  }
}

export function nameGrantRecord(
  holder: NameGrantRecord['holder'],
  now: Date,
  fields: Partial<NameGrantRecord> = {},
): NameGrantRecord {
  return {
    id: newId(repeatableRandom, 'name-grant', now),
    holder,
    identifier: dnsName('a.test'),
    wildcard: false,
    owner: 'Ann',
    note: 'until the move',
    createdAt: now,
    expiresAt: later(now, hours(1)),
    ...fields,
  }
}

/** Takes an external account key back, as an operator does. */
export async function revokeEabKey(
  store: Pick<Store, 'eabKeys'>,
  id: EabKeyId,
  now: Date,
  options: { readonly keepAccounts?: boolean } = {},
): Promise<number> {
  const stored = await changeLineage(store.eabKeys, id, revoking({ id, now, ...options }))
  return 'refusal' in stored ? 0 : stored.length
}
