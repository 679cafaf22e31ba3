import type { ProfileConfig } from '../config/schema.ts'
import type { ProfileSnapshot } from '../store/records.ts'

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
  const extendedKeyUsages = [...new Set(config.extendedKeyUsages)]
  if (extendedKeyUsages.length === 0)
    throw new Error(`${key}.extendedKeyUsages is empty; name serverAuth, clientAuth or both`)
  return Object.freeze({
    name,
    lifetimeSeconds,
    maxLifetimeSeconds,
    backdateSeconds: config.backdate,
    extendedKeyUsages: Object.freeze(extendedKeyUsages),
    subject: config.subject,
    issuer: config.issuer,
    ...(config.renewal && { renewal: Object.freeze({ ...config.renewal }) }),
  })
}
