import { grantHolders } from '../acme/name-grants.ts'
import type { ResolvedConfig } from '../config/read.ts'
import type { Requester } from '../policy/decision.ts'
import type { RuleSource } from '../policy/language/schema.ts'
import { compileSelector, fitsSelector, requesterTokens } from '../policy/language/selector.ts'
import { isInScope } from '../policy/rules/key-scope.ts'
import type { NameGrantStore } from '../store/name-grants.ts'
import type { AccountRecord, NameGrantRecord } from '../store/records.ts'
import type { PolicyInUse } from './policy-in-use.ts'

/** What an account may hold, as far as can be said without knowing what it will ask for. Fit for JSON. */
export interface Effective {
  readonly account: { readonly id: string; readonly directory: string; readonly ended?: Date }
  readonly requester: Requester
  readonly policy: string
  /** Rules of a file that are for it and have not ended; everything in one that is not said is not limited by it. */
  readonly allow: readonly RuleSource[]
  readonly deny: readonly RuleSource[]
  /** In place of rules, where the configuration decides: `policies.<name>` of the directory. */
  readonly configured?: { readonly name: string } & ResolvedConfig['policies'][string]
  /** What the directory adds. */
  readonly challenges: readonly string[]
  /**
   * Names granted to it, or to its external account key, that are in force: they need no challenge where policy allows
   * them and takes `pre-authorized` for a proof.
   */
  readonly grants: readonly NameGrantRecord[]
}

/** The grants in force for an account, those that last longest first. */
export async function grantsInForce(
  account: AccountRecord,
  { store, now }: { readonly store: Pick<NameGrantStore, 'list'>; readonly now: Date },
): Promise<NameGrantRecord[]> {
  const lists = await Promise.all(grantHolders(account).map((holder) => store.list(holder)))
  return lists
    .flat()
    .filter(({ revokedAt, expiresAt }) => revokedAt === undefined && now < expiresAt)
    .sort((a, b) => b.expiresAt.getTime() - a.expiresAt.getTime())
}

export function effectiveOf(
  account: AccountRecord,
  requester: Requester,
  {
    config,
    policy,
    grants,
    now,
  }: {
    readonly config: ResolvedConfig
    readonly policy: PolicyInUse
    readonly grants: readonly NameGrantRecord[]
    readonly now: Date
  },
): Effective {
  const tokens = requesterTokens(requester)
  const rules = (policy.loaded?.file.rules ?? []).filter((rule) =>
    fitsSelector(compileSelector(rule.for ?? {}), tokens),
  )
  const directory = config.directories[account.directory]
  const name = directory?.policy
  const configured = policy.loaded === undefined && name !== undefined ? config.policies[name] : undefined
  const ended = [account.deactivatedAt, account.revokedAt, account.externalKey?.accountsEndAt].find(
    (at) => at !== undefined && at.getTime() <= now.getTime(),
  )
  return {
    account: { id: account.id, directory: account.directory, ...(ended && { ended }) },
    requester,
    policy: policy.name,
    allow: rules.filter(
      ({ effect, expires, name: rule }) =>
        effect === 'allow' &&
        (expires === undefined || now.getTime() < Date.parse(expires)) &&
        isInScope(requester, rule),
    ),
    deny: rules.filter(({ effect }) => effect === 'deny'),
    ...(configured && name !== undefined && { configured: { name, ...configured } }),
    challenges: directory?.challenges ?? [],
    grants,
  }
}
