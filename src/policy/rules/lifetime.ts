import { factsOf, type ProfileTable } from './profile.ts'
import type { RequestRule } from './rule.ts'

/** The lifetime stays within the profile's maximum. An unknown profile is for the profile rule to refuse. */
export function lifetime(profiles: ProfileTable): RequestRule {
  return (request) => {
    const { profile, stage, lifetimeSeconds } = request
    const facts = factsOf(request, profiles)
    if (facts === undefined) return []
    if (lifetimeSeconds === undefined && stage === 'order') return []
    const max = facts.maxLifetimeSeconds
    const isFit = Number.isSafeInteger(lifetimeSeconds) && Number(lifetimeSeconds) > 0 && Number(lifetimeSeconds) <= max
    if (isFit) return []
    const asked = lifetimeSeconds === undefined ? 'not known' : `${lifetimeSeconds} s`
    const detail = `The lifetime is ${asked}; ask for 1 to ${max} whole seconds, or leave notBefore and notAfter out`
    return [{ rule: `profiles.${profile}.maxLifetime`, code: 'lifetime', detail }]
  }
}
