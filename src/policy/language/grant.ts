import type { Grant, PolicyRequest, ProofMethod, RequestedName } from '../decision.ts'
import { factsOf, type ProfileTable } from '../rules/profile.ts'
import { acceptedMethods, type Rule } from './rule.ts'

/**
 * What the rules that allowed leave open for the rest of the way. Rules are alternatives: for each name one of them has
 * to fit at the end, so the widest counts; between names the narrowest does. Rules that the lifetime rules out are left
 * out of the ways of proof, so that whoever keeps to the grant is not refused for it later.
 *
 * @param allowing for each name, those that allowed it
 */
export function grantOf(
  request: PolicyRequest,
  allowing: readonly (readonly Rule[])[],
  profiles: ProfileTable,
): { readonly grant: Grant; readonly rules: readonly (readonly Rule[])[] } {
  const longest = Math.min(...allowing.map((rules) => Math.max(...rules.map(maxLifetimeOf))))
  const lifetime =
    request.lifetimeSeconds ?? defaultLifetime(allowing, factsOf(request, profiles)?.lifetimeSeconds, longest)
  const rules = allowing.map((some) => some.filter((rule) => lifetime === undefined || lifetime <= maxLifetimeOf(rule)))
  const methods = request.names.map((name, index) => methodsOf(rules[index] ?? [], name))
  const isBounded = Number.isFinite(longest)
  return {
    rules,
    grant: {
      methods,
      ...(lifetime !== undefined && { lifetimeSeconds: lifetime }),
      ...(isBounded && { maxLifetimeSeconds: longest }),
    },
  }
}

/** The longest that a rule says for each name, else what the profile says; and what every name allows. */
function defaultLifetime(
  allowing: readonly (readonly Rule[])[],
  ofProfile: number | undefined,
  longest: number,
): number | undefined {
  const said = allowing.map((rules) => {
    const own = rules.flatMap((rule) => rule.source.with?.defaultLifetime ?? [])
    return own.length > 0 ? Math.max(...own) : (ofProfile ?? Number.POSITIVE_INFINITY)
  })
  const lifetime = Math.min(longest, ...said)
  return Number.isFinite(lifetime) ? lifetime : undefined
}

function maxLifetimeOf(rule: Rule): number {
  return rule.source.with?.maxLifetime ?? Number.POSITIVE_INFINITY
}

function methodsOf(rules: readonly Rule[], name: RequestedName): readonly ProofMethod[] | undefined {
  const accepted = rules.map((rule) => acceptedMethods(rule, name))
  return accepted.includes(undefined) ? undefined : [...new Set(accepted.flatMap((list) => list ?? []))]
}
