import { quote } from '../../lib/quote.ts'
import type { PolicyRequest, ProfileFacts } from '../decision.ts'
import type { RequestRule } from './rule.ts'

export type ProfileTable = ReadonlyMap<string, ProfileFacts>

/** The profile of a request: as its order keeps it, else as it is configured; undefined when there is none. */
export function factsOf(request: PolicyRequest, profiles: ProfileTable): ProfileFacts | undefined {
  return request.profileFacts ?? profiles.get(request.profile)
}

/**
 * The profile must exist, or be kept with the order, and be one that the policy allows.
 *
 * @param allowed absent: all that exist
 */
export function profile(key: string, profiles: ProfileTable, allowed: readonly string[] | undefined): RequestRule {
  const offered = [...profiles.keys()].filter((name) => allowed === undefined || allowed.includes(name))
  const advice = offered.length > 0 ? `ask for ${offered.map(quote).join(', ')}` : 'ask the operator to allow one'
  return (request) => {
    const isAllowed = allowed === undefined || allowed.includes(request.profile)
    if (isAllowed && factsOf(request, profiles) !== undefined) return []
    const fault = profiles.has(request.profile) ? 'is not allowed here' : 'does not exist'
    return [{ rule: key, code: 'profile', detail: `The profile ${quote(request.profile)} ${fault}; ${advice}` }]
  }
}
