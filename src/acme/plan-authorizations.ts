import { encodeBase64url } from '../lib/base64url.ts'
import type { Identifier } from '../lib/identifier.ts'
import { baseName, isWildcard } from '../lib/identifier.ts'
import type { AccountId } from '../lib/ids.ts'
import { newId } from '../lib/ids.ts'
import type { Random } from '../lib/random.ts'
import type { Grant } from '../policy/decision.ts'
import type { AuthorizationRecord, ChallengeRecord, ChallengeType, ProfileSnapshot } from '../store/records.ts'
import type { ReuseKey } from '../store/store.ts'
import type { AcmeDirectory, AcmeServices } from './endpoint.ts'
import { identifierError } from './identifiers.ts'
import { offeredChallenges } from './offered-challenges.ts'
import type { Subproblem } from './problem.ts'
import { authorizationStatus } from './state/authorization.ts'

/** The authorizations of a new order: one for each identifier, at the same place (CQ-O05). */
export interface AuthorizationPlan {
  readonly authorizations: readonly AuthorizationRecord[]
  /** Those among them that are not in the store yet. */
  readonly created: readonly AuthorizationRecord[]
}

/** With less than this left, and less than half of its life, it is made anew, so that the order can be finished. */
const LEAST_REUSE_SECONDS = 900

/**
 * Finds for each identifier an authorization to reuse, else drafts a new one. Reused is a valid one, or for some
 * minutes a pending one that nobody tried yet (CQ-O12), of the same account, exact name, wildcard flag and profile
 * (KF-A06, KF-A07), and only while directory and policy still accept the methods it was or can be proved by.
 *
 * @throws {AcmeError} `rejectedIdentifier` when no enabled challenge can prove an identifier
 */
export async function planAuthorizations(
  identifiers: readonly Identifier[],
  context: {
    readonly directory: AcmeDirectory
    readonly profile: Pick<ProfileSnapshot, 'name'>
    readonly accountId: AccountId
    readonly now: Date
    /** By what policy wants each name proved, at its place; absent: by anything. */
    readonly methods?: Grant['methods'] | undefined
  },
  services: Pick<AcmeServices, 'store' | 'random' | 'settings'>,
): Promise<AuthorizationPlan> {
  const { directory, now } = context
  const { settings } = services
  const offers = identifiers.map((identifier, index) => {
    const methods = context.methods?.[index]
    const types = offeredChallenges(identifier, directory.config.challenges)
    return { identifier, methods, types: types.filter((type) => methods === undefined || methods.includes(type)) }
  })
  const unprovable = offers.filter(({ types }) => types.length === 0)
  if (unprovable.length > 0) {
    const { challenges } = directory.config
    throw identifierError(unprovable.map(({ identifier, methods }) => noChallenge(identifier, challenges, methods)))
  }

  const found = await services.store.authorizations.findReusable(
    identifiers.map((identifier) => reuseKey(identifier, context)),
    { now, pendingSince: new Date(now.getTime() - settings.sharePendingSeconds * 1000) },
  )
  const created: AuthorizationRecord[] = []
  const authorizations = offers.map(({ identifier, types }, index) => {
    const candidate = found[index]
    if (candidate && isReusable(candidate, types, now, settings)) return candidate
    const draft = draftAuthorization(reuseKey(identifier, context), types, {
      random: services.random,
      now,
      expiresAt: new Date(now.getTime() + settings.pendingAuthorizationLifetimeSeconds * 1000),
    })
    created.push(draft)
    return draft
  })
  return { authorizations, created }
}

/** The key of reuse: account, exact name, wildcard flag and profile. The method is looked at in `isReusable`. */
function reuseKey(
  identifier: Identifier,
  {
    directory,
    profile,
    accountId,
  }: {
    readonly directory: AcmeDirectory
    readonly profile: Pick<ProfileSnapshot, 'name'>
    readonly accountId: AccountId
  },
): ReuseKey & Pick<AuthorizationRecord, 'accountId'> {
  return {
    directory: directory.name,
    accountId,
    identifier: { type: identifier.type, value: baseName(identifier) },
    wildcard: isWildcard(identifier),
    profile: profile.name,
  }
}

function isReusable(
  candidate: AuthorizationRecord,
  offered: readonly ChallengeType[],
  now: Date,
  settings: AcmeServices['settings'],
): boolean {
  const leftSeconds = (candidate.expiresAt.getTime() - now.getTime()) / 1000
  const status = authorizationStatus(candidate, now)
  if (status === 'valid') {
    if (leftSeconds < Math.min(LEAST_REUSE_SECONDS, settings.validAuthorizationLifetimeSeconds / 2)) return false
    return candidate.challenges.some(({ type, validatedAt }) => validatedAt !== undefined && offered.includes(type))
  }
  if (leftSeconds < Math.min(LEAST_REUSE_SECONDS, settings.pendingAuthorizationLifetimeSeconds / 2)) return false
  return status === 'pending' && candidate.challenges.every(({ type }) => offered.includes(type))
}

function draftAuthorization(
  key: ReuseKey,
  types: readonly ChallengeType[],
  context: { readonly random: Random; readonly now: Date; readonly expiresAt: Date },
): AuthorizationRecord {
  const id = newId(context.random, 'authorization', context.now)
  const challenges = types.map(
    (type): ChallengeRecord => ({
      id: newId(context.random, 'challenge', context.now),
      authorizationId: id,
      type,
      // 256 bits, one for each challenge (RFC 8555 §8.1, §11.3).
      token: encodeBase64url(context.random.bytes(32)),
    }),
  )
  return { id, ...key, createdAt: context.now, expiresAt: context.expiresAt, challenges }
}

function noChallenge(
  identifier: Identifier,
  enabled: readonly ChallengeType[],
  methods: readonly string[] | undefined,
): Subproblem {
  const wanted = methods === undefined ? '' : `, and policy wants it proved by ${methods.join(' or ')}`
  return {
    type: 'rejectedIdentifier',
    detail: `None of the challenges of this directory (${enabled.join(', ')}) can prove ${identifier.value}${wanted}`,
    identifier,
  }
}
