import type { Grant } from '../policy/decision.ts'
import type { ProfileSnapshot } from '../store/records.ts'

/**
 * The profile of an order within what policy grants: never longer than either says. What is stored with the order is
 * this, so that the bytes made of it pass when policy is asked about them.
 */
export function narrowProfile(profile: ProfileSnapshot, grant: Grant | undefined): ProfileSnapshot {
  if (grant?.lifetimeSeconds === undefined && grant?.maxLifetimeSeconds === undefined) return profile
  const maxLifetimeSeconds = Math.min(
    profile.maxLifetimeSeconds,
    grant.maxLifetimeSeconds ?? profile.maxLifetimeSeconds,
  )
  const lifetimeSeconds = Math.min(maxLifetimeSeconds, grant.lifetimeSeconds ?? profile.lifetimeSeconds)
  // A life that is shorter than the backdating would be over before it began.
  const backdateSeconds = Math.min(
    profile.backdateSeconds,
    Math.floor(Math.min(lifetimeSeconds, maxLifetimeSeconds) / 2),
  )
  return Object.freeze({ ...profile, lifetimeSeconds, maxLifetimeSeconds, backdateSeconds })
}
