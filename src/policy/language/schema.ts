import { z } from 'zod'
import { duration } from '../../config/schema.ts'
import { PROOF_METHODS } from '../decision.ts'
import { isUsage } from './usages.ts'

/**
 * The policy file, field by field. `chancery policy schema` prints this as JSON Schema for editors. Unknown keys refuse
 * the whole file (KF-G06).
 */

const listOf = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => (value === undefined || Array.isArray(value) ? value : [value]), z.array(item).min(1))

const name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/, 'must be lower-case letters, digits, dots, hyphens, underscores')

const text = z.string().min(1).max(500)
const methods = listOf(z.enum(PROOF_METHODS))
const oid = z
  .string()
  .regex(/^[0-2](?:\.(?:0|[1-9]\d{0,19})){1,30}$/, 'must be an object identifier such as 1.3.6.1.4.1.1')

/** Certificates are remembered by name for so long, so a rule cannot look further back. In seconds. */
export const LONGEST_PERIOD = 90 * 86_400

const selector = z.strictObject({
  directories: listOf(text).optional().describe('ACME directories by name'),
  accounts: listOf(text).optional().describe('accounts by id'),
  externalKeys: listOf(text).optional().describe('external account keys by id'),
  groups: listOf(text).optional().describe('groups of the external account key; one of them is enough'),
  attributes: z
    .record(z.string().min(1).max(100), listOf(text))
    .optional()
    .describe('attributes of the external account key; all of them, each with one of its values'),
})

const names = z.strictObject({
  dns: listOf(text).optional().describe('name patterns by label: `*` is one, `**` one or more'),
  wildcards: z.boolean().default(false).describe('whether `*.name` may be issued where `x.name` may'),
  ip: listOf(text).optional().describe('CIDR blocks'),
  uri: listOf(text).optional().describe('URI patterns by segment, such as `spiffe://corp.test/ns/*/sa/**`'),
  email: listOf(text).optional().describe('address patterns, such as `*@corp.test`'),
})

const keyKind = z
  .string()
  .regex(/^(?:P-256|P-384|P-521|Ed25519|RSA(?:-[234]\d{3})?)$/, 'must be P-256, P-384, P-521, Ed25519, RSA or RSA-3072')

const share = z.number().min(0).max(0.95)

export const ruleSchema = z.strictObject({
  name: name.describe('told to requesters that are refused, and kept with every decision'),
  description: z.string().max(2000).default('').describe('for those who read the policy'),
  effect: z.enum(['allow', 'deny']).default('allow').describe('`deny` beats `allow`, whatever their order'),
  expires: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('an allowing rule ends at this instant; a denying one may not have an end'),
  for: selector.optional().describe('whom the rule is for: everything given must fit; absent: everybody'),
  names: names.optional().describe('which names; a denying rule without it denies every name'),
  keys: listOf(keyKind).optional().describe('kinds of certificate keys; `RSA-3072` means 3072 bits or more'),
  profiles: listOf(text).optional().describe('profiles by name'),
  challenges: z
    .strictObject({
      default: methods.optional().describe('what proves a name or address of which nothing else is said here'),
      dns: methods.optional().describe('what proves a DNS name'),
      wildcard: methods.optional().describe('what proves a wildcard; absent: as `dns`'),
      ip: methods.optional().describe('what proves an address'),
    })
    .optional()
    .describe('how names of this rule are to be proved; absent: by any challenge of the directory'),
  with: z
    .strictObject({
      maxLifetime: duration.optional().describe('longest validity'),
      defaultLifetime: duration
        .optional()
        .describe('validity when the order asks for none; absent: as the profile has it, `maxLifetime` at most'),
      extendedKeyUsages: listOf(
        z.string().refine(isUsage, 'must be a usage such as serverAuth, or an object identifier'),
      )
        .optional()
        .describe('no others than these'),
      subject: z
        .record(
          z
            .string()
            .regex(
              /^(?:[A-Z]{1,20}|serialNumber|[0-2](?:\.\d{1,20}){1,30})$/,
              'must be CN, O, OU, C, ST, L, serialNumber or an object identifier',
            ),
          listOf(text),
        )
        .optional()
        .describe('subject attributes by short name, each with the values that it may have (`*`: any); no others'),
      certificatePolicies: z.array(oid).optional().describe('certificate policies that may be claimed; `[]`: none'),
      mustStaple: z.boolean().optional().describe('whether the certificate must, or must not, demand a stapled status'),
    })
    .optional()
    .describe('what the certificate may be'),
  often: z
    .strictObject({
      renewAfter: share
        .optional()
        .describe('share of its life that the last certificate of the account for the name must have spent'),
      perName: z
        .strictObject({
          count: z.number().int().min(1).max(10_000).describe('how many, at most'),
          per: duration
            .refine((seconds) => seconds <= LONGEST_PERIOD, 'must be at most 90d')
            .describe('the time, back from the moment of asking; at most 90d'),
        })
        .optional()
        .describe('certificates for one name, of whichever account, within a time'),
    })
    .optional()
    .describe('how often a name may be certified'),
  when: z.string().min(1).max(2000).optional().describe('a condition in CEL over the whole request'),
})

const testRequest = z.strictObject({
  directory: text.default('default').describe('the ACME directory'),
  account: text.optional().describe('id of the account'),
  externalKey: text.optional().describe('id of the external account key'),
  groups: listOf(text).optional().describe('groups of that key'),
  attributes: z.record(z.string(), z.string()).optional().describe('attributes of that key'),
  dns: listOf(text).optional().describe('names asked for'),
  ip: listOf(text).optional().describe('addresses asked for'),
  uri: listOf(text).optional().describe('URIs of the certificate'),
  email: listOf(text).optional().describe('e-mail addresses of the certificate'),
  profile: text.default('server').describe('the profile asked for'),
  key: keyKind.default('P-256').describe('kind of the certificate key'),
  challenge: z.enum(PROOF_METHODS).optional().describe('what the names were proved by; absent: by what was acceptable'),
  lifetime: duration.optional().describe('validity asked for; absent: none'),
  address: text.optional().describe('the address that the proof was read from'),
  subject: z.record(z.string(), z.string()).optional().describe('subject attributes of the certificate'),
  certificatePolicies: z.array(oid).optional().describe('certificate policies of the certificate'),
  mustStaple: z.boolean().optional().describe('whether the certificate demands a stapled status'),
  at: z.iso.datetime({ offset: true }).optional().describe('when it is decided; absent: now'),
})

export const policyFileSchema = z.strictObject({
  version: z.literal(1),
  description: z.string().max(2000).default(''),
  rules: z.array(ruleSchema).max(100_000),
  tests: z
    .array(
      z.strictObject({
        name: text,
        request: testRequest,
        expect: z.enum(['allow', 'deny']),
        rule: name.optional().describe('the rule that must have made the decision'),
      }),
    )
    .max(10_000)
    .default([])
    .describe('examples that must come out as said, or the file is refused'),
})

export type PolicyFile = z.infer<typeof policyFileSchema>
export type RuleSource = PolicyFile['rules'][number]
export type PolicyTest = PolicyFile['tests'][number]
