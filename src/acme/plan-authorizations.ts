import { encodeBase64url } from '../lib/base64url.ts'
import type { Identifier } from '../lib/identifier.ts'
import { baseName, isProvedByAccount, isWildcard } from '../lib/identifier.ts'
import { newId } from '../lib/ids.ts'
import type { Random } from '../lib/random.ts'
import type { Grant } from '../policy/decision.ts'
import type {
  AccountRecord,
  AuthorizationRecord,
  ChallengeRecord,
  ChallengeType,
  NameGrantRecord,
  ProfileSnapshot,
} from '../store/records.ts'
import type { ReuseKey } from '../store/store.ts'
import type { AcmeDirectory, AcmeServices } from './endpoint.ts'
import { identifierError } from './identifiers.ts'
import { grantHolders, grantsFor } from './name-grants.ts'
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
 * (KF-A06, KF-A07), and only while directory and policy still accept the methods it was or can be proved by. A name that
 * was granted to the account needs no challenge, and gets an authorization that is valid from the first; so does one that
 * no challenge can prove, by what the account is bound to.
 *
 * @throws {AcmeError} `rejectedIdentifier` when no enabled challenge can prove an identifier
 */
export async function planAuthorizations(
  identifiers: readonly Identifier[],
  context: {
    readonly directory: AcmeDirectory
    readonly profile: Pick<ProfileSnapshot, 'name'>
    readonly account: AccountRecord
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
  const keys = identifiers.map((identifier) => reuseKey(identifier, context))
  const grants = await grantsFor(
    grantHolders(context.account),
    offers.map(({ methods }, index) => ({ ...at(keys, index), methods })),
    { store: services.store.nameGrants, now },
  )
  const isBound = (identifier: Identifier): boolean =>
    isProvedByAccount(identifier) && context.account.externalKey !== undefined
  const unprovable = offers.filter(
    ({ identifier, types }, index) => types.length === 0 && grants[index] === undefined && !isBound(identifier),
  )
  if (unprovable.length > 0) {
    const { challenges } = directory.config
    throw identifierError(unprovable.map(({ identifier, methods }) => noChallenge(identifier, challenges, methods)))
  }

  const pendingSince = new Date(now.getTime() - settings.sharePendingSeconds * 1000)
  const found = await services.store.authorizations.findReusable(keys, { now, pendingSince })
  const created: AuthorizationRecord[] = []
  const authorizations = offers.map(({ identifier, types, methods }, index) => {
    const [candidate, grant] = [found[index], grants[index]]
    if (grant === undefined && isBound(identifier)) {
      const bound = boundAuthorization(at(keys, index), { random: services.random, now, settings })
      created.push(bound)
      return bound
    }
    if (candidate && isReusable(candidate, { types, methods, grant }, now, settings)) return candidate
    const draft = draftAuthorization(at(keys, index), types, { random: services.random, now, settings, grant })
    created.push(draft)
    return draft
  })
  return { authorizations, created }
}

/** The key of reuse: account, exact name, wildcard flag and profile. The method is looked at in `isReusable`. */
function reuseKey(
  identifier: Identifier,
  context: {
    readonly directory: AcmeDirectory
    readonly profile: Pick<ProfileSnapshot, 'name'>
    readonly account: Pick<AccountRecord, 'id'>
  },
): ReuseKey & Pick<AuthorizationRecord, 'accountId'> {
  return {
    directory: context.directory.name,
    accountId: context.account.id,
    identifier: { type: identifier.type, value: baseName(identifier) },
    wildcard: isWildcard(identifier),
    profile: context.profile.name,
  }
}

interface Accepted {
  readonly types: readonly ChallengeType[]
  readonly methods: readonly string[] | undefined
  /** By which the name needs no challenge; then nobody is made to answer one. */
  readonly grant: NameGrantRecord | undefined
}

function isReusable(
  candidate: AuthorizationRecord,
  { types, methods, grant }: Accepted,
  now: Date,
  settings: AcmeServices['settings'],
): boolean {
  const leftSeconds = (candidate.expiresAt.getTime() - now.getTime()) / 1000
  const status = authorizationStatus(candidate, now)
  const { proof } = candidate
  if (proof !== undefined) {
    // It ends with its grant; one that comes of a longer grant is made anew.
    if (status !== 'valid' || (methods !== undefined && !methods.includes(proof.method))) return false
    return leftSeconds >= LEAST_REUSE_SECONDS || proof.grantId === grant?.id
  }
  if (status === 'valid') {
    if (leftSeconds < Math.min(LEAST_REUSE_SECONDS, settings.validAuthorizationLifetimeSeconds / 2)) return false
    return candidate.challenges.some(({ type, validatedAt }) => validatedAt !== undefined && types.includes(type))
  }
  if (grant !== undefined) return false
  if (leftSeconds < Math.min(LEAST_REUSE_SECONDS, settings.pendingAuthorizationLifetimeSeconds / 2)) return false
  return status === 'pending' && candidate.challenges.every(({ type }) => types.includes(type))
}

/**
 * What the account is bound to is the proof, and policy has just said that it is enough. Made anew for each order, so that
 * no proof outlives what it was made of.
 */
function boundAuthorization(
  key: ReuseKey & Pick<AuthorizationRecord, 'accountId'>,
  context: { readonly random: Random; readonly now: Date; readonly settings: AcmeServices['settings'] },
): AuthorizationRecord {
  const { random, now, settings } = context
  const expiresAt = new Date(now.getTime() + settings.validAuthorizationLifetimeSeconds * 1000)
  const proof = { method: 'account-binding', at: now } as const
  return { id: newId(random, 'authorization', now), ...key, createdAt: now, expiresAt, proof, challenges: [] }
}

function draftAuthorization(
  key: ReuseKey & Pick<AuthorizationRecord, 'accountId'>,
  types: readonly ChallengeType[],
  context: {
    readonly random: Random
    readonly now: Date
    readonly settings: AcmeServices['settings']
    readonly grant: NameGrantRecord | undefined
  },
): AuthorizationRecord {
  const { random, now, settings, grant } = context
  const id = newId(random, 'authorization', now)
  const challenges = types.map(
    (type): ChallengeRecord => ({
      id: newId(random, 'challenge', now),
      authorizationId: id,
      type,
      // 256 bits, one for each challenge (RFC 8555 §8.1, §11.3).
      token: encodeBase64url(random.bytes(32)),
    }),
  )
  const { pendingAuthorizationLifetimeSeconds: pending, validAuthorizationLifetimeSeconds: valid } = settings
  const after = (seconds: number): number => now.getTime() + seconds * 1000
  if (grant === undefined) return { id, ...key, createdAt: now, expiresAt: new Date(after(pending)), challenges }
  return {
    id,
    ...key,
    createdAt: now,
    expiresAt: new Date(Math.min(after(valid), grant.expiresAt.getTime())),
    proof: { method: 'pre-authorized', at: now, grantId: grant.id },
    challenges,
  }
}

/** What stands at a place that there is. */
function at<T>(list: readonly T[], index: number): T {
  const found = list[index]
  if (found === undefined) throw new Error(`there is nothing at ${index}`)
  return found
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
