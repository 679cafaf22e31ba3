import type { AccountId, AuthorizationId, ChallengeId, OrderId } from '../../src/lib/ids.ts'
import type {
  AuthorizationRecord,
  ChallengeRecord,
  OrderRecord,
  ProfileSnapshot,
  StoredProblem,
} from '../../src/store/records.ts'

/** Records as a test needs them: every fact can be given, the rest is plain. Times are relative to 2026-03-01 noon. */

export const NOON = new Date('2026-03-01T12:00:00Z')

/** @param seconds after noon; negative for before */
export function at(seconds: number): Date {
  return new Date(NOON.getTime() + seconds * 1000)
}

export const PROFILE: ProfileSnapshot = {
  name: 'server',
  lifetimeSeconds: 86_400,
  maxLifetimeSeconds: 86_400,
  backdateSeconds: 300,
  extendedKeyUsages: ['serverAuth'],
  subject: 'empty',
  issuer: 'default',
}

export const PROBLEM: StoredProblem = { type: 'connection', detail: 'nobody answered', status: 400 }

export function aChallenge(facts: Partial<ChallengeRecord> = {}): ChallengeRecord {
  return {
    id: idOf('chl', facts.type ?? 'http-01') as ChallengeId,
    authorizationId: idOf('azr', 'a') as AuthorizationId,
    type: 'http-01',
    token: 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA',
    ...facts,
  }
}

export type AuthorizationFacts = Partial<AuthorizationRecord> & { readonly state?: AuthorizationStateName }
export type AuthorizationStateName =
  | 'pending'
  | 'processing'
  | 'valid'
  | 'invalid'
  | 'deactivated'
  | 'expired'
  | 'expired valid'
  | 'revoked'

/** An authorization with one http-01 challenge in the named state. `processing` is pending with an answered challenge. */
export function anAuthorization({ state = 'pending', ...facts }: AuthorizationFacts = {}): AuthorizationRecord {
  const responded = { respondedAt: at(-20), keyAuthorization: 'x.y' }
  const byState: Record<AuthorizationStateName, Partial<AuthorizationRecord>> = {
    pending: { challenges: [aChallenge()] },
    processing: { challenges: [aChallenge(responded)] },
    valid: { challenges: [aChallenge({ ...responded, validatedAt: at(-10) })] },
    invalid: { challenges: [aChallenge({ ...responded, failedAt: at(-10), error: PROBLEM })] },
    deactivated: { challenges: [aChallenge()], deactivatedAt: at(-5) },
    expired: { challenges: [aChallenge()], expiresAt: at(-1) },
    'expired valid': { challenges: [aChallenge({ ...responded, validatedAt: at(-10) })], expiresAt: at(-1) },
    revoked: { challenges: [aChallenge({ ...responded, validatedAt: at(-10) })], revokedAt: at(-5) },
  }
  return {
    id: idOf('azr', 'a') as AuthorizationId,
    directory: 'default',
    accountId: idOf('acc', 'a') as AccountId,
    identifier: { type: 'dns', value: 'www.corp.test' },
    wildcard: false,
    profile: 'server',
    createdAt: at(-60),
    expiresAt: at(3600),
    challenges: [],
    ...byState[state],
    ...facts,
  }
}

export function anOrder(facts: Partial<OrderRecord> = {}): OrderRecord {
  return {
    id: idOf('ord', 'a') as OrderId,
    directory: 'default',
    accountId: idOf('acc', 'a') as AccountId,
    identifiers: [{ type: 'dns', value: 'www.corp.test' }],
    profile: PROFILE,
    createdAt: at(-60),
    expiresAt: at(3600),
    ...facts,
  }
}

/** A well-formed id that names itself in a failing test. */
export function idOf(prefix: string, name: string): string {
  return `${prefix}_${name.replaceAll(/[^A-Za-z0-9]/g, '-').padEnd(22, '0')}`
}
