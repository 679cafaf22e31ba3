import { z } from 'zod'
import { duration, listOf } from './values.ts'

/** Told to clients, and kept in records beside names of our own such as `(server)`. */
const profileName = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/, 'must be letters, digits, dots, hyphens and underscores')

const profile = z.strictObject({
  description: z
    .string()
    .default('')
    .describe('shown to clients in `meta.profiles` of the directory; empty: the name of the profile'),
  lifetime: duration.default(86_400).describe('validity when the order asks for none; both ends are counted'),
  maxLifetime: duration.optional().describe('longest validity an order may ask for; default: `lifetime`'),
  backdate: duration
    .default(300)
    .describe(
      'how far notBefore lies before the moment of signing, for devices whose clock is behind; the length stays',
    ),
  type: z
    .enum(['server', 'client', 'peer', 'workload', 'code-signing', 'smime'])
    .default('server')
    .describe('what the certificates are for; see `docs/profiles.md`'),
  extendedKeyUsages: listOf(z.enum(['serverAuth', 'clientAuth', 'codeSigning', 'emailProtection']))
    .optional()
    .describe('key purposes; default: those of `type`'),
  subject: z
    .union([
      z.enum(['empty', 'commonName']),
      // In the order in which they stand in the certificate.
      z.strictObject({
        C: z.string().optional(),
        ST: z.string().optional(),
        L: z.string().optional(),
        O: z.string().optional(),
        OU: z.string().optional(),
        serialNumber: z.string().optional(),
        CN: z.string().optional(),
      }),
    ])
    .default('empty')
    .describe(
      '`empty`: no subject, names in the SAN only; `commonName`: also the first dns name of at most 64 characters; or a map of `C`, `ST`, `L`, `O`, `OU`, `serialNumber`, `CN` to templates such as `{attribute.department}`',
    ),
  sans: z
    .strictObject({
      dns: listOf(z.string()).default([]).describe('templates of dns names, such as `{attribute.host}.corp.example`'),
      uri: listOf(z.string())
        .default([])
        .describe('templates of URIs, such as `spiffe://corp.example/ns/{attribute.team}/sa/{attribute.service}`'),
      email: listOf(z.string())
        .default([])
        .describe('templates of mail addresses, such as `{attribute.user}@corp.example`'),
    })
    .default({ dns: [], uri: [], email: [] }),
  certificatePolicies: listOf(
    z.union([
      z.string(),
      z.strictObject({ oid: z.string(), cps: z.string().optional().describe('URL of the practice statement') }),
    ]),
  )
    .default([])
    .describe('policy OIDs to assert, each plain or as `{ oid, cps }` with the URL of a practice statement'),
  noRevAvail: duration
    .optional()
    .describe(
      'certificates that live no longer than this say that there is no revocation information (RFC 9608), and name no CRL; at most 10d; default: none',
    ),
  mustStaple: z
    .boolean()
    .default(false)
    .describe('demand a stapled OCSP answer of the server (RFC 7633); there is no OCSP responder here yet'),
  otherNames: z
    .boolean()
    .default(false)
    .describe('for type `workload`: dns names and addresses may stand beside the SPIFFE id'),
  issuer: z
    .string()
    .default('default')
    .describe('the issuing CA, by its name in the state folder; see `chancery init --issuer`'),
  renewal: z
    .strictObject({
      after: z
        .number()
        .min(0.1)
        .max(0.9)
        .describe('the share of its life after which a certificate may be renewed, by renewal information (RFC 9773)'),
      within: z
        .number()
        .min(0.01)
        .max(0.4)
        .default(0.15)
        .describe(
          'the share of its life in which clients spread their renewals; begins up to as much later than `after`',
        ),
    })
    .refine(
      ({ after, within }) => after + 2 * within <= 0.95,
      '`after` and twice `within` may be at most 0.95 together',
    )
    .optional()
    .describe('when clients renew; default: after half of the life, or two thirds from 10 days on, within 0.15 of it'),
})

/** Profiles by name. */
export const profiles = z.record(profileName, profile).prefault({ server: {} })
