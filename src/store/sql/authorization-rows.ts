import type { Identifier } from '../../lib/identifier.ts'
import type { AccountId, AuthorizationId, ChallengeId, NameGrantId } from '../../lib/ids.ts'
import type {
  AuthorizationRecord,
  ChallengeInAuthorization,
  ChallengeRecord,
  ChallengeType,
  DirectProof,
  StoredProblem,
} from '../records.ts'
import type { Sql, SqlValue } from './database.ts'
import { fromJson, type Mutable, toDate } from './encoding.ts'
import { insertRows } from './insert-rows.ts'

/** One challenge with its authorization, or an authorization without any, as AUTHORIZATION_COLUMNS selects it. */
export interface AuthorizationRow {
  readonly id: string
  readonly directory: string
  readonly account_id: string
  readonly identifier_type: Identifier['type']
  readonly identifier_value: string
  readonly wildcard: number
  readonly profile: string
  readonly created_at: number
  readonly expires_at: number
  readonly deactivated_at: number | null
  readonly revoked_at: number | null
  readonly proved_at: number | null
  readonly proved_by: DirectProof['method'] | null
  readonly grant_id: string | null
  /** NULL where there is no challenge; then the rest of it is NULL too. */
  readonly challenge_id: string | null
  readonly type: ChallengeType
  readonly token: string
  readonly responded_at: number | null
  readonly key_authorization: string | null
  readonly validated_at: number | null
  readonly answered_from: string | null
  readonly failed_at: number | null
  readonly error: string | null
}

/** Columns of `authorizations AS a JOIN challenges AS c`; rows of one authorization must follow each other. */
export const AUTHORIZATION_COLUMNS = `
  a.id AS id, a.directory AS directory, a.account_id AS account_id, a.identifier_type AS identifier_type,
  a.identifier_value AS identifier_value, a.wildcard AS wildcard, a.profile AS profile, a.created_at AS created_at,
  a.expires_at AS expires_at, a.deactivated_at AS deactivated_at, a.revoked_at AS revoked_at,
  a.proved_at AS proved_at, a.proved_by AS proved_by, a.grant_id AS grant_id, c.id AS challenge_id, c.type AS type, c.token AS token, c.responded_at AS responded_at,
  c.key_authorization AS key_authorization, c.validated_at AS validated_at, c.failed_at AS failed_at,
  c.answered_from AS answered_from,
  c.error AS error`

/** Not ended by anybody, and not expired at `?`. Says nothing of the challenges. */
export const LIVE = 'a.deactivated_at IS NULL AND a.revoked_at IS NULL AND a.expires_at > ?'

/** The name needs no challenge, or one was validated. A challenge that failed rules that out, and the other way round. */
export const HAS_VALIDATED = `(a.proved_at IS NOT NULL
  OR EXISTS (SELECT 1 FROM challenges v WHERE v.authorization_id = a.id AND v.validated_at IS NOT NULL))`

/** As `HAS_VALIDATED`, and not after `?`. Never NULL, which `NOT` would leave as it is: no proof is one at the end of time. */
export const HAS_VALIDATED_BY = `COALESCE(
  a.proved_at, (SELECT MIN(v.validated_at) FROM challenges v WHERE v.authorization_id = a.id), ${Number.MAX_SAFE_INTEGER}
) <= ?`

export const HAS_FAILED =
  'EXISTS (SELECT 1 FROM challenges f WHERE f.authorization_id = a.id AND f.failed_at IS NOT NULL)'

/** Whoever changes or relies on any challenge of an authorization locks the authorization first (KF-E06). */
export const THE_AUTHORIZATION = 'SELECT id FROM authorizations WHERE id = ?'

const INSERT_AUTHORIZATION = `
  INSERT INTO authorizations (id, directory, account_id, identifier_type, identifier_value, wildcard, profile,
    created_at, expires_at, deactivated_at, revoked_at, proved_at, proved_by, grant_id)`

const INSERT_CHALLENGE = `
  INSERT INTO challenges (id, authorization_id, position, type, token, responded_at, key_authorization, validated_at,
    failed_at, error)`

export async function insertAuthorizations(sql: Sql, authorizations: readonly AuthorizationRecord[]): Promise<void> {
  if (authorizations.some(({ challenges, proof }) => challenges.length === 0 && proof === undefined)) {
    throw new Error('an authorization needs at least one challenge, or a proof that is none')
  }
  await insertRows(sql, INSERT_AUTHORIZATION, authorizations.map(authorizationParams))
  await insertRows(
    sql,
    INSERT_CHALLENGE,
    authorizations.flatMap(({ id, challenges }) =>
      challenges.map((challenge, position) => challengeParams(id, position, challenge)),
    ),
  )
}

function authorizationParams(authorization: AuthorizationRecord): SqlValue[] {
  return [
    authorization.id,
    authorization.directory,
    authorization.accountId,
    authorization.identifier.type,
    authorization.identifier.value,
    authorization.wildcard ? 1 : 0,
    authorization.profile,
    authorization.createdAt.getTime(),
    authorization.expiresAt.getTime(),
    authorization.deactivatedAt?.getTime() ?? null,
    authorization.revokedAt?.getTime() ?? null,
    authorization.proof?.at.getTime() ?? null,
    authorization.proof?.method ?? null,
    authorization.proof?.grantId ?? null,
  ]
}

function challengeParams(authorizationId: string, position: number, challenge: ChallengeRecord): SqlValue[] {
  return [
    challenge.id,
    authorizationId,
    position,
    challenge.type,
    challenge.token,
    challenge.respondedAt?.getTime() ?? null,
    challenge.keyAuthorization ?? null,
    challenge.validatedAt?.getTime() ?? null,
    challenge.failedAt?.getTime() ?? null,
    challenge.error === undefined ? null : JSON.stringify(challenge.error),
  ]
}

/** Puts the rows of a join together again, in their order. */
export function toAuthorizations(rows: readonly AuthorizationRow[]): AuthorizationRecord[] {
  const authorizations: AuthorizationRecord[] = []
  let challenges: ChallengeRecord[] = []
  let last: string | undefined
  for (const row of rows) {
    if (row.id !== last) {
      challenges = []
      authorizations.push(toAuthorization(row, challenges))
      last = row.id
    }
    if (row.challenge_id !== null) challenges.push(toChallenge(row, row.challenge_id))
  }
  return authorizations
}

/** The challenge with this id, and the authorization it belongs to. */
export function pickChallenge(
  authorization: AuthorizationRecord | undefined,
  challengeId: string,
): ChallengeInAuthorization | undefined {
  const challenge = authorization?.challenges.find(({ id }) => id === challengeId)
  return authorization && challenge && { challenge, authorization }
}

function toAuthorization(row: AuthorizationRow, challenges: ChallengeRecord[]): AuthorizationRecord {
  const authorization: Mutable<AuthorizationRecord> = {
    id: row.id as AuthorizationId,
    directory: row.directory,
    accountId: row.account_id as AccountId,
    identifier: { type: row.identifier_type, value: row.identifier_value },
    wildcard: row.wildcard === 1,
    profile: row.profile,
    createdAt: toDate(row.created_at),
    expiresAt: toDate(row.expires_at),
    challenges,
  }
  if (row.deactivated_at !== null) authorization.deactivatedAt = toDate(row.deactivated_at)
  if (row.revoked_at !== null) authorization.revokedAt = toDate(row.revoked_at)
  if (row.proved_at !== null && row.proved_by !== null) {
    const proof: Mutable<DirectProof> = { method: row.proved_by, at: toDate(row.proved_at) }
    if (row.grant_id !== null) proof.grantId = row.grant_id as NameGrantId
    authorization.proof = proof
  }
  return authorization
}

function toChallenge(row: AuthorizationRow, id: string): ChallengeRecord {
  const challenge: Mutable<ChallengeRecord> = {
    id: id as ChallengeId,
    authorizationId: row.id as AuthorizationId,
    type: row.type,
    token: row.token,
  }
  if (row.responded_at !== null) challenge.respondedAt = toDate(row.responded_at)
  if (row.key_authorization !== null) challenge.keyAuthorization = row.key_authorization
  if (row.validated_at !== null) challenge.validatedAt = toDate(row.validated_at)
  if (row.answered_from !== null) challenge.answeredFrom = row.answered_from
  if (row.failed_at !== null) challenge.failedAt = toDate(row.failed_at)
  if (row.error !== null) {
    const place = { table: 'challenges', id, column: 'error' }
    challenge.error = fromJson<StoredProblem>(row.error, place)
  }
  return challenge
}
