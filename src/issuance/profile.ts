import { hash } from 'node:crypto'
import type { ProfileConfig } from '../config/schema.ts'
import type { ProfileSnapshot } from '../store/records.ts'
import { profileProblems } from './profile-problems.ts'
import { PROFILE_TYPES } from './profile-types.ts'

/** BR 7.1.2.7: notBefore lies within 48 hours of the signature. Also the furthest that an order may ask for. */
export const MAX_BACKDATE_SECONDS = 48 * 3600

/**
 * The profile as an order keeps it, from the configuration: a frozen copy, so that a later change of the configuration
 * touches no order under way (KF-C05).
 *
 * @throws {Error} naming the configuration key whose value makes no sense
 */
export function profileSnapshot(name: string, config: ProfileConfig): ProfileSnapshot {
  const key = `profiles.${name}`
  const lifetimeSeconds = config.lifetime
  const maxLifetimeSeconds = config.maxLifetime ?? lifetimeSeconds
  if (lifetimeSeconds > maxLifetimeSeconds) {
    throw new Error(
      `${key}.maxLifetime (${maxLifetimeSeconds} s) is shorter than ${key}.lifetime (${lifetimeSeconds} s)`,
    )
  }
  if (config.backdate >= lifetimeSeconds) {
    throw new Error(
      `${key}.backdate (${config.backdate} s) must be shorter than ${key}.lifetime, or certificates are born expired`,
    )
  }
  if (config.backdate > MAX_BACKDATE_SECONDS) {
    throw new Error(`${key}.backdate (${config.backdate} s) may be at most ${MAX_BACKDATE_SECONDS} s`)
  }
  const [fault] = profileProblems(config)
  if (fault !== undefined) throw new Error(`${key}.${fault.key}: ${fault.problem}`)
  const extendedKeyUsages = [...new Set(config.extendedKeyUsages ?? PROFILE_TYPES[config.type].usages)]
  const certificatePolicies = config.certificatePolicies.map((policy) =>
    Object.freeze(
      typeof policy === 'string'
        ? { oid: policy }
        : { oid: policy.oid, ...(policy.cps !== undefined && { cps: policy.cps }) },
    ),
  )
  const snapshot = {
    name,
    type: config.type,
    lifetimeSeconds,
    maxLifetimeSeconds,
    backdateSeconds: config.backdate,
    extendedKeyUsages: Object.freeze(extendedKeyUsages),
    subject: typeof config.subject === 'string' ? config.subject : ('attributes' as const),
    issuer: config.issuer,
    ...(certificatePolicies.length > 0 && { certificatePolicies: Object.freeze(certificatePolicies) }),
    ...(config.noRevAvail !== undefined && { noRevAvailSeconds: config.noRevAvail }),
    ...(config.mustStaple && { mustStaple: true }),
    ...(config.otherNames && { otherNames: true }),
    ...(config.renewal && { renewal: Object.freeze({ ...config.renewal }) }),
  }
  return Object.freeze({
    ...snapshot,
    version: versionOf({ ...snapshot, subjectTemplates: config.subject, sans: config.sans }),
  })
}

/** The same for the same settings, whoever computes it: enough of a hash to tell one version from another. */
function versionOf(settings: unknown): string {
  return hash('sha256', JSON.stringify(settings), 'hex').slice(0, 16)
}
