import { z } from 'zod'
import { duration, listOf, webUrl } from './values.ts'

const directory = z.strictObject({
  profile: z
    .string()
    .default('server')
    .describe('the profile of orders that ask for none, by its name below `profiles`'),
  profiles: listOf(z.string())
    .default([])
    .describe('further profiles that an order may ask for by name (ACME profiles extension)'),
  externalAccount: z
    .enum(['none', 'optional', 'required'])
    .default('none')
    .describe('external account binding (RFC 8555 §7.3.4): `none`, `optional` or `required` for new accounts'),
  challenges: listOf(z.enum(['http-01', 'dns-01', 'tls-alpn-01']))
    .default(['http-01', 'dns-01', 'tls-alpn-01'])
    .describe('ways to prove control that are offered'),
  policy: z
    .string()
    .default('default')
    .describe('the policy, by its name below `policies`; with `policy.file`, which decides for all, it has none'),
  termsOfService: webUrl.optional().describe('URL of the terms; when set, a new account must agree'),
  website: webUrl.optional().describe('URL told to clients in `meta.website`'),
  caaIdentities: listOf(z.string()).optional().describe('told to clients in `meta.caaIdentities`'),
  maxNotBeforeAhead: duration.default(3600).describe('how far in the future an order may ask notBefore to be'),
})

/** ACME directories by name. */
export const directories = z
  .record(z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/), directory)
  .prefault({ default: {} })
