import { z } from 'zod'
import { duration, listOf, webUrl } from './values.ts'

/** What an account may have. */
export const accounts = z
  .strictObject({
    maxContacts: z.number().int().min(0).max(100).default(10).describe('contact addresses of one account'),
  })
  .prefault({})

/** How long orders, and the proofs of their names, are good for; what finalize accepts. */
export const orders = z
  .strictObject({
    lifetime: duration.default(7 * 86_400).describe('how long an order may stay unfinished'),
    pendingAuthorizationLifetime: duration.default(86_400).describe('how long an authorization may stay unproved'),
    validAuthorizationLifetime: duration
      .default(86_400)
      .describe('how long a proof may be used again for further orders'),
    sharePendingFor: duration
      .default(300)
      .describe('how long an untried pending authorization is shared between orders of one account'),
    acceptPaddedBase64: z
      .boolean()
      .default(true)
      .describe('accept `=` at the end of `csr` and `certificate` in payloads, which some devices send'),
    allowCertificateGet: z
      .boolean()
      .default(false)
      .describe('answer unauthenticated GET of certificate URLs, for old clients'),
  })
  .prefault({})

/** What clients are told of renewal (RFC 9773). */
export const renewalInfo = z
  .strictObject({
    retryAfter: duration
      .default(6 * 3600)
      .describe(
        'how often clients ask again, and so how soon they hear of a revocation; at most a tenth of the lifetime',
      ),
    explanationUrl: webUrl.optional().describe('page told to clients whose certificate is to be renewed at once'),
    replacedIssuers: listOf(z.string().regex(/^[0-9a-f]{2,128}$/, 'must be the hex key identifier of an issuing CA'))
      .default([])
      .describe('issuing CAs, by key identifier, whose certificates are all to be renewed at once'),
  })
  .prefault({})
