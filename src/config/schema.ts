import { z } from 'zod'
import { accounts, orders, renewalInfo } from './schema/acme.ts'
import { formerPublicUrls, listeners, publicHttpUrl, publicUrl, tls } from './schema/addresses.ts'
import { directories } from './schema/directory.ts'
import { limits } from './schema/limits.ts'
import { chaos, crl, log, retention, shutdown } from './schema/operation.ts'
import { policies, policy } from './schema/policy.ts'
import { profiles } from './schema/profile.ts'
import { backup, issuanceLog, keys, store } from './schema/storage.ts'
import { validation } from './schema/validation.ts'

export { DEFAULT_POLICY_ADDRESSES, DEFAULT_POLICY_NAMES } from './schema/policy.ts'
export { duration } from './schema/values.ts'

/**
 * The configuration, field by field: meaning, unit, default. Unknown keys stop the start (KF-G06).
 * `chancery config schema` prints this as JSON Schema. What a key means stands in the file of its topic.
 */
export const configSchema = z.strictObject({
  publicUrl,
  formerPublicUrls,
  publicHttpUrl,
  listeners,
  tls,
  store,
  issuanceLog,
  backup,
  keys,
  directories,
  profiles,
  policies,
  policy,
  accounts,
  orders,
  validation,
  renewalInfo,
  crl,
  limits,
  retention,
  chaos,
  log,
  shutdown,
})

/** The configuration as read: defaults filled in, durations in seconds. */
export type Config = z.infer<typeof configSchema>
export type DirectoryConfig = Config['directories'][string]
export type ProfileConfig = Config['profiles'][string]
export type PolicyConfig = Config['policies'][string]
