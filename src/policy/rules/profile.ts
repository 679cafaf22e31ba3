import { quote } from '../../lib/quote.ts'
import type { RequestRule } from './rule.ts'

/** What policy needs to know of a profile; a `ProfileSnapshot` has it. */
export interface ProfileFacts {
  readonly lifetimeSeconds: number
  readonly maxLifetimeSeconds: number
  /** Names such as `serverAuth`. */
  readonly extendedKeyUsages: readonly string[]
}

export type ProfileTable = ReadonlyMap<string, ProfileFacts>

/**
 * The profile must exist, and be one that the policy allows.
 *
 * @param allowed absent: all that exist
 */
export function profile(key: string, profiles: ProfileTable, allowed: readonly string[] | undefined): RequestRule {
  const offered = [...profiles.keys()].filter((name) => allowed === undefined || allowed.includes(name))
  const advice = offered.length > 0 ? `ask for ${offered.map(quote).join(', ')}` : 'ask the operator to allow one'
  return (request) => {
    if (offered.includes(request.profile)) return []
    const fault = profiles.has(request.profile) ? 'is not allowed here' : 'does not exist'
    return [{ rule: key, code: 'profile', detail: `The profile ${quote(request.profile)} ${fault}; ${advice}` }]
  }
}
