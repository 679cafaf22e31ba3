import { z } from 'zod'
import { duration, listOf } from './values.ts'

/** How control of a name is proved. */
export const validation = z
  .strictObject({
    http01: z
      .strictObject({ port: z.number().int().min(1).max(65535).default(80).describe('where http-01 connects to') })
      .prefault({}),
    tlsAlpn01: z
      .strictObject({
        port: z.number().int().min(1).max(65535).default(443).describe('where tls-alpn-01 connects to'),
      })
      .prefault({}),
    dns: z
      .strictObject({
        resolvers: listOf(z.string()).default([]).describe('`address:port` each; empty: the resolvers of the system'),
        zones: z
          .record(
            z.string(),
            listOf(z.string()).describe(
              'resolvers for this zone and all below it, `address:port` each (split horizon)',
            ),
          )
          .default({}),
        timeout: duration.default(5).describe('for one query to one resolver'),
      })
      .prefault({}),
    egress: z
      .strictObject({
        allow: listOf(z.string())
          .default([])
          .describe(
            'CIDR blocks that may be connected to although refused by default, such as `127.0.0.0/8`; `address:port` names one of our own listeners',
          ),
        deny: listOf(z.string()).default([]).describe('CIDR blocks never connected to; beats `allow`'),
      })
      .prefault({}),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(256)
      .describe(
        'proofs under way at once; those that take longer than a second are counted apart, and may be seven times as many',
      ),
    attempts: z.number().int().min(1).max(20).default(3).describe('tries before http-01 and tls-alpn-01 are given up'),
    retryAfter: duration.default(5).describe('wait between two tries'),
    dnsAttempts: z
      .number()
      .int()
      .min(1)
      .max(50)
      .default(8)
      .describe('tries before dns-01 is given up; records take time to spread'),
  })
  .prefault({})
