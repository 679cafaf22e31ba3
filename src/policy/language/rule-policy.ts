import { quote } from '../../lib/quote.ts'
import type { CountedName, Decision, NearMiss, Policy, PolicyRequest, Reason, RequestedName } from '../decision.ts'
import { type KeyRules, keyKind } from '../rules/key-kind.ts'
import { isInScope } from '../rules/key-scope.ts'
import { lifetime } from '../rules/lifetime.ts'
import { nameForm } from '../rules/name-form.ts'
import type { ProfileTable } from '../rules/profile.ts'
import { profile } from '../rules/profile.ts'
import { someName } from '../rules/some-name.ts'
import { usage } from '../rules/usage.ts'
import { type Budget, ConditionError, newBudget } from './condition.ts'
import { grantOf } from './grant.ts'
import { type OftenOptions, timeFor } from './often.ts'
import { type Miss, missesOf, type Rule } from './rule.ts'
import type { CompiledRules } from './rule-book.ts'
import { requesterTokens } from './selector.ts'

/** So many rules that nearly allowed are looked for, and told of, when a name is refused. */
const MAX_NEAR_LOOKED_AT = 200
const MAX_NEAR_TOLD = 5
const MAX_NAMES_TOLD = 4

/** For every file; rules choose among them. */
export const RULE_KEY_LIMITS = {
  algorithms: ['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519'] as KeyRules['algorithms'],
  minRsaBits: 2048,
  maxRsaBits: 4096,
}

export interface RulePolicyOptions extends OftenOptions {
  readonly books: CompiledRules
  /** Hash of the file that the rules are of; in every decision. */
  readonly version: string
  readonly profiles: ProfileTable
}

interface Verdict {
  readonly reason: Reason
  /** Those that allow it; empty: it is refused. */
  readonly rules: readonly Rule[]
}

/** What one decision works with. */
interface Asking {
  readonly request: PolicyRequest
  readonly tokens: ReadonlySet<string>
  readonly budget: Budget
}

/**
 * The policy of a rule file. Each name needs a rule that allows it and fits the whole request, and no rule that denies
 * it; deny beats allow, whatever the order, and what nothing allows is denied. Whatever cannot be evaluated is denied
 * (KF-G01).
 */
export function createRulePolicy({ books, version, profiles, ...often }: RulePolicyOptions): Policy {
  const form = nameForm()
  const counts = books.rules.some((rule) => rule.source.often !== undefined)
  const requestRules = [
    someName(),
    profile('profiles', profiles, undefined),
    keyKind('keys', RULE_KEY_LIMITS),
    lifetime(profiles),
    usage(profiles),
  ]

  function judge(name: RequestedName, { request, tokens, budget }: Asking): Verdict {
    const bad = name.type === 'other' ? undefined : form(name)
    if (bad !== undefined) return { reason: bad.reason, rules: [] }
    for (const rule of books.deny.find(name, tokens, true)) {
      if (!isDenying(rule, name, request) || missesOf(rule, name, request, tokens, budget).length > 0) continue
      const detail = `${quote(name.value)} is never issued to you, whatever else allows it`
      return { reason: { rule: rule.name, code: 'name-denied', detail, name }, rules: [] }
    }
    const missed: { rule: Rule; misses: readonly Miss[] }[] = []
    const fitting: Rule[] = []
    for (const rule of books.allow.find(name, tokens, false)) {
      const misses = [
        ...scopeMiss(rule, request),
        ...wildcardMiss(rule, name),
        ...missesOf(rule, name, request, tokens, budget),
      ]
      if (misses.length === 0) fitting.push(rule)
      else missed.push({ rule, misses })
    }
    const [first] = fitting
    if (first === undefined) return { reason: refusal(name, missed), rules: [] }
    return { reason: allowedBy(first, name), rules: fitting }
  }

  /** Rules that hold the name but not the request, the nearest first; for the operator. */
  function nearMisses(name: RequestedName, { request, tokens }: Asking): NearMiss[] {
    const budget = newBudget()
    const near = [...books.allow.find(name, undefined, false, MAX_NEAR_LOOKED_AT)].map((rule) => ({
      rule: rule.name,
      name: `${name.type}:${name.value}`,
      misses: [
        ...scopeMiss(rule, request),
        ...wildcardMiss(rule, name),
        ...quietly(() => missesOf(rule, name, request, tokens, budget)),
      ].map(({ detail }) => detail),
    }))
    return near.sort((a, b) => a.misses.length - b.misses.length).slice(0, MAX_NEAR_TOLD)
  }

  const decide = async (request: PolicyRequest): Promise<Decision> => {
    const asking: Asking = { request, tokens: requesterTokens(request.requester), budget: newBudget() }
    if (Number.isNaN(request.at.getTime())) throw new TypeError('the time of the request is not known')
    const verdicts = request.names.map((name) => judge(name, asking))
    const refused = verdicts.filter(({ rules }) => rules.length === 0)
    const against = [...refused.map(({ reason }) => reason), ...requestRules.flatMap((rule) => rule(request))]
    if (against.length > 0) {
      const names = request.names.filter((_, index) => verdicts[index]?.rules.length === 0)
      const nearly = names.slice(0, MAX_NAMES_TOLD).flatMap((name) => nearMisses(name, asking))
      return { outcome: 'deny', reasons: against, version, nearMisses: nearly }
    }
    const { grant, rules } = grantOf(
      request,
      verdicts.map((verdict) => verdict.rules),
      profiles,
    )
    const reasons: Reason[] = []
    const counted: CountedName[] = []
    const early: Reason[] = []
    for (const [index, name] of request.names.entries()) {
      const time = await timeFor(name, rules[index] ?? [], request, often)
      if ('refused' in time) early.push(time.refused)
      else {
        const [first] = time.rules
        if (first === undefined) throw new Error('no rule is left of those that allowed')
        reasons.push(allowedBy(first, name))
        counted.push(time.counted)
      }
    }
    if (early.length > 0) return { outcome: 'deny', reasons: early, version }
    return { outcome: 'allow', reasons, version, grant, ...(counts && { counted }) }
  }

  return {
    async decide(request) {
      try {
        return await decide(request)
      } catch (error) {
        const detail =
          error instanceof ConditionError
            ? `The condition of a rule could not be evaluated: ${error.message}`
            : 'The policy could not be evaluated; try again later'
        return { outcome: 'deny', reasons: [{ rule: 'policy', code: 'unavailable', detail }], version }
      }
    },
  }
}

/** Facts of the bytes that a denying rule is about are not there at newOrder; then it speaks before signing. */
function isDenying(rule: Rule, name: RequestedName, { stage }: PolicyRequest): boolean {
  if (name.type === 'other') return rule.source.names === undefined
  return stage === 'issuance' || !(rule.when?.isForIssuance === true || rule.source.keys !== undefined)
}

function allowedBy(rule: Rule, name: RequestedName): Reason {
  return { rule: rule.name, code: 'allowed', detail: `${quote(name.value)} is allowed`, name }
}

function scopeMiss(rule: Rule, { requester }: PolicyRequest): Miss[] {
  if (isInScope(requester, rule.name)) return []
  return [{ code: 'name-not-allowed', detail: 'your external account key is not for that rule' }]
}

function wildcardMiss(rule: Rule, name: RequestedName): Miss[] {
  const isWildcard = name.type === 'dns' && name.value.startsWith('*.')
  if (!isWildcard || rule.source.names?.wildcards === true) return []
  return [{ code: 'name-not-allowed', detail: 'it is a wildcard; list each name' }]
}

/** What the requester may know: what to do where one step was missing, and no more of rules that are not for it. */
function refusal(name: RequestedName, missed: readonly { rule: Rule; misses: readonly Miss[] }[]): Reason {
  const nearest = [...missed].sort((a, b) => a.misses.length - b.misses.length)[0]
  const first = nearest?.misses[0]
  if (nearest === undefined || first === undefined) {
    const detail = `No rule allows ${quote(name.value)} to you; ask for another name, or the operator for a rule`
    return { rule: `names.${name.type}`, code: 'name-not-allowed', name, detail }
  }
  const details = nearest.misses.map(({ detail }) => detail).join('; ')
  return {
    rule: nearest.rule.name,
    code: first.code,
    name,
    detail: `${quote(name.value)} is not allowed so: ${details}`,
  }
}

function quietly(ask: () => readonly Miss[]): readonly Miss[] {
  try {
    return ask()
  } catch {
    return [{ code: 'condition', detail: 'its condition could not be evaluated' }]
  }
}
