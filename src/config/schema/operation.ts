import { z } from 'zod'
import { duration } from './values.ts'

/** How often revocation lists are made. */
export const crl = z
  .strictObject({
    lifetime: duration.default(86_400).describe('from thisUpdate to nextUpdate; rebuilt at half of it'),
    rebuildWithin: duration.default(30).describe('longest wait from a revocation to the CRL that lists it'),
  })
  .prefault({})

/** How long each kind of record stays. */
export const retention = z
  .strictObject({
    finalOrders: duration.default(30 * 86_400).describe('orders, after their end'),
    expiredCertificates: duration
      .default(90 * 86_400)
      .describe('certificates, after their notAfter; revoked ones until they were on a later CRL too'),
    unusedAccounts: duration.default(90 * 86_400).describe('accounts that never had an order'),
    spentEabKeys: duration
      .default(90 * 86_400)
      .describe('external account keys, after they were revoked, used up or expired, and no account depends on them'),
    audit: duration.default(400 * 86_400).describe('the audit trail'),
    decisions: duration
      .default(90 * 86_400)
      .describe('decisions of policy with all that was asked; what `policy replay` and `explain` can look back over'),
  })
  .prefault({})

/** Misbehaviour on purpose. */
export const chaos = z
  .strictObject({
    badNoncePercent: z
      .number()
      .int()
      .min(0)
      .max(100)
      .default(0)
      .describe('share of good nonces that are refused, to test clients'),
    validationDelay: z
      .union([z.literal(0), duration])
      .default(0)
      .describe('wait before each validation, to test clients'),
  })
  .prefault({})

/** What is logged. */
export const log = z
  .strictObject({
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('`debug`, `info`, `warn` or `error`'),
  })
  .prefault({})

/** How the server ends. */
export const shutdown = z
  .strictObject({
    drainTimeout: duration.default(20).describe('how long SIGTERM waits for requests under way'),
  })
  .prefault({})
