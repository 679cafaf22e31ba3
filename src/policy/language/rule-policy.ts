import { quote } from '../../lib/quote.ts'
import type { Decision, Policy, PolicyRequest, Reason, RequestedName } from '../decision.ts'
import { lifetime } from '../rules/lifetime.ts'
import { nameForm } from '../rules/name-form.ts'
import type { ProfileTable } from '../rules/profile.ts'
import { profile } from '../rules/profile.ts'
import { someName } from '../rules/some-name.ts'
import { usage } from '../rules/usage.ts'
import { ConditionError } from './condition.ts'
import { acceptedMethods, type Miss, missesOf, type Rule } from './rule.ts'
import { compileRules } from './rule-book.ts'
import type { RuleSource } from './schema.ts'
import { requesterTokens } from './selector.ts'

/** So many rules that nearly allowed are looked for, and told of, when a name is refused. */
const MAX_NEAR_LOOKED_AT = 200
const MAX_NEAR_TOLD = 5

export interface RulePolicyOptions {
  readonly rules: readonly RuleSource[]
  /** Hash of the file that the rules are of; in every decision. */
  readonly version: string
  readonly profiles: ProfileTable
}

interface Verdict {
  readonly reason: Reason
  readonly isAllowed: boolean
  readonly rules: readonly Rule[]
}

/**
 * The policy of a rule file. Each name needs a rule that allows it and fits the whole request, and no rule that denies
 * it; deny beats allow, whatever the order, and what nothing allows is denied. Whatever cannot be evaluated is denied
 * (KF-G01).
 *
 * @throws {Error} naming the rule that makes no sense
 */
export function createRulePolicy({ rules, version, profiles }: RulePolicyOptions): Policy {
  const books = compileRules(rules)
  const form = nameForm()
  const requestRules = [someName(), profile('profiles', profiles, undefined), lifetime(profiles), usage(profiles)]

  function judge(name: RequestedName, request: PolicyRequest, tokens: ReadonlySet<string>): Verdict {
    const bad = name.type === 'other' ? undefined : form(name)
    if (bad !== undefined) return { reason: bad.reason, isAllowed: false, rules: [] }
    for (const rule of books.deny.find(name, tokens, true)) {
      if (!isDenying(rule, name, request, tokens)) continue
      const detail = `${quote(name.value)} is never issued to you, whatever else allows it`
      return { reason: { rule: rule.name, code: 'name-denied', detail, name }, isAllowed: false, rules: [rule] }
    }
    const missed: { rule: Rule; misses: readonly Miss[] }[] = []
    const fitting: Rule[] = []
    for (const rule of books.allow.find(name, tokens, false)) {
      const misses = [...wildcardMiss(rule, name), ...missesOf(rule, name, request, tokens)]
      if (misses.length === 0) fitting.push(rule)
      else missed.push({ rule, misses })
    }
    const [first] = fitting
    if (first !== undefined) {
      const detail = `${quote(name.value)} is allowed`
      return { reason: { rule: first.name, code: 'allowed', detail, name }, isAllowed: true, rules: fitting }
    }
    return { reason: refusal(name, missed), isAllowed: false, rules: missed.map(({ rule }) => rule) }
  }

  /** Rules that hold the name but not the request, the nearest first; for the operator. */
  function nearMisses(name: RequestedName, request: PolicyRequest, tokens: ReadonlySet<string>) {
    const near = [...books.allow.find(name, undefined, false)].slice(0, MAX_NEAR_LOOKED_AT).map((rule) => ({
      rule: rule.name,
      name: `${name.type}:${name.value}`,
      misses: [...wildcardMiss(rule, name), ...quietly(() => missesOf(rule, name, request, tokens))].map(
        ({ detail }) => detail,
      ),
    }))
    return near.sort((a, b) => a.misses.length - b.misses.length).slice(0, MAX_NEAR_TOLD)
  }

  return {
    async decide(request) {
      try {
        const tokens = requesterTokens(request.requester)
        const verdicts = request.names.map((name) => judge(name, request, tokens))
        const against = [
          ...verdicts.filter(({ isAllowed }) => !isAllowed).map(({ reason }) => reason),
          ...requestRules.flatMap((rule) => rule(request)),
        ]
        if (against.length === 0)
          return {
            outcome: 'allow',
            reasons: verdicts.map(({ reason }) => reason),
            version,
            grant: grantOf(request, verdicts),
          }
        const refused = request.names.filter((_, index) => verdicts[index]?.isAllowed === false)
        return {
          outcome: 'deny',
          reasons: against,
          version,
          nearMisses: refused.flatMap((name) => nearMisses(name, request, tokens)).slice(0, 4 * MAX_NEAR_TOLD),
        }
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

/** A denying rule whose condition is about facts of the bytes denies when they are there. */
function isDenying(rule: Rule, name: RequestedName, request: PolicyRequest, tokens: ReadonlySet<string>): boolean {
  if (request.stage === 'order' && (rule.when?.isForIssuance === true || rule.source.keys !== undefined)) return false
  return missesOf(rule, name, request, tokens).length === 0
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

/** What the rules that allowed leave open for the rest of the way: for each name, one of them has to fit at the end. */
function grantOf(
  request: PolicyRequest,
  verdicts: readonly Verdict[],
): NonNullable<(Decision & { outcome: 'allow' })['grant']> {
  let maxLifetimeSeconds = Number.POSITIVE_INFINITY
  const methods = request.names.map((name, index) => {
    const rules = verdicts[index]?.rules ?? []
    maxLifetimeSeconds = Math.min(
      maxLifetimeSeconds,
      Math.max(...rules.map((rule) => rule.source.with?.maxLifetime ?? Number.POSITIVE_INFINITY)),
    )
    const accepted = rules.map((rule) => acceptedMethods(rule, name))
    return accepted.includes(undefined) ? undefined : [...new Set(accepted.flatMap((list) => list ?? []))]
  })
  return { methods, ...(Number.isFinite(maxLifetimeSeconds) && { maxLifetimeSeconds }) }
}

function quietly(ask: () => readonly Miss[]): readonly Miss[] {
  try {
    return ask()
  } catch {
    return [{ code: 'condition', detail: 'its condition could not be evaluated' }]
  }
}
