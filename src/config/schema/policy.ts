import { z } from 'zod'
import { listOf } from './values.ts'

/** Names and addresses that no public CA can certify: the first start works in a lab and can hurt nobody. */
export const DEFAULT_POLICY_NAMES = ['**.internal', '**.test', '**.localhost', '**.home.arpa'] as const
export const DEFAULT_POLICY_ADDRESSES = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '127.0.0.0/8',
  'fc00::/7',
  '::1/128',
] as const

/** Dns patterns are by label: `*` is one label, `**` is one or more; only as whole labels. */
const namesPolicy = z.strictObject({
  allow: z
    .strictObject({
      dns: listOf(z.string())
        .default([])
        .describe(
          'name patterns: `*` is one label, `**` one or more; in `default` the lab names until `allow` is given',
        ),
      ip: listOf(z.string())
        .default([])
        .describe('CIDR blocks; in `default` private and loopback ones until `allow` is given'),
      uri: listOf(z.string())
        .default([])
        .describe('URI patterns by segment, such as `spiffe://corp.example/ns/*/sa/**`, for accounts bound to a key'),
      email: listOf(z.string())
        .default([])
        .describe('mail address patterns, such as `*@corp.example`, for accounts bound to a key'),
      wildcards: z.boolean().default(true).describe('whether `*.name` may be issued where `x.name` may'),
    })
    .default({ dns: [], ip: [], uri: [], email: [], wildcards: true }),
  deny: z
    .strictObject({
      dns: listOf(z.string()).default([]).describe('name patterns never issued; beats allow'),
      ip: listOf(z.string()).default([]).describe('CIDR blocks never issued; beats allow'),
      uri: listOf(z.string()).default([]).describe('URI patterns never issued; beats allow'),
      email: listOf(z.string()).default([]).describe('mail address patterns never issued; beats allow'),
    })
    .default({ dns: [], ip: [], uri: [], email: [] }),
  keys: z
    .strictObject({
      algorithms: listOf(z.enum(['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519']))
        .default(['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519'])
        .describe('kinds of certificate keys'),
      minRsaBits: z.number().int().min(2048).max(8192).default(2048).describe('smallest RSA modulus'),
      maxRsaBits: z.number().int().min(2048).max(8192).default(4096).describe('largest RSA modulus'),
      blocklistFiles: listOf(z.string())
        .default([])
        .describe(
          'files of hashes of known bad keys, beside those built in, relative to the state folder; see `docs/policy.md`',
        ),
    })
    .default({
      algorithms: ['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519'],
      minRsaBits: 2048,
      maxRsaBits: 4096,
      blocklistFiles: [],
    }),
  profiles: listOf(z.string()).optional().describe('profiles that this policy allows; default: all'),
})

/** Policies by names, by name. */
export const policies = z
  .record(z.string().min(1), namesPolicy)
  .prefault({ default: { allow: { dns: [...DEFAULT_POLICY_NAMES], ip: [...DEFAULT_POLICY_ADDRESSES] } } })

/** The policy of a file of rules. */
export const policy = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .optional()
      .describe(
        'file of rules, relative to the state folder, that decides for every directory in place of `policies`; see `docs/policy-rules.md`',
      ),
    author: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe('who is recorded as the author of each version of it; default: the user that owns the file'),
    blocklistFiles: listOf(z.string())
      .default([])
      .describe(
        'with `policy.file`: files of hashes of known bad keys, relative to the state folder; see `docs/policy.md`',
      ),
  })
  .prefault({})
