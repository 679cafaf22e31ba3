import { z } from 'zod'
import { parseRate } from '../limits/rate.ts'

/**
 * The configuration, field by field: meaning, unit, default. Unknown keys stop the start (KF-G06).
 * `chancery config schema` prints this as JSON Schema.
 */

/** `host:port`, with IPv6 in brackets. */
const listenAddress = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:[\]\s]+):\d{1,5}$/, 'must be host:port, IPv6 in brackets')
const httpsUrl = z.url({ protocol: /^https$/ })
const httpUrl = z.url({ protocol: /^http$/ })
/** An address told to clients; it goes into header lines as it is. */
const webUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .regex(
    /^[!#-;=?-~]+$/,
    'must be printable ASCII without spaces, quotes or angle brackets; write others percent-encoded',
  )
/** A century: dates and timers stay within what the runtime can hold. */
const seconds = z
  .number()
  .int()
  .positive()
  .max(36_525 * 86_400, 'must be at most 36525d')
/** A length of time: a number of seconds, or text such as `90s`, `15m`, `24h`, `7d`. Becomes seconds. */
const DURATION_UNITS = { s: 1, m: 60, h: 3600, d: 86400 } as const
export const duration = z
  .union([seconds, z.string().regex(/^\d{1,9}[smhd]$/, 'must be seconds, or a number with s, m, h or d')])
  .transform((value) =>
    typeof value === 'number'
      ? value
      : Number(value.slice(0, -1)) * DURATION_UNITS[value.slice(-1) as keyof typeof DURATION_UNITS],
  )
  .pipe(seconds)
/** A list; one plain value stands for a list of one, so that `--set a.b=x` works. */
const listOf = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => (value === undefined || Array.isArray(value) ? value : [value]), z.array(item))

/** `COUNT/PERIOD`, with ` burst COUNT` where it differs from the count, or `off`. */
const rate = (fallback: string) =>
  z
    .string()
    .superRefine((text, context) => {
      const read = parseRate(text)
      if (typeof read === 'string') context.addIssue({ code: 'custom', message: read })
    })
    .default(fallback)

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

/** Told to clients, and kept in records beside names of our own such as `(server)`. */
const profileName = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/, 'must be letters, digits, dots, hyphens and underscores')

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

/** Dns patterns are by label: `*` is one label, `**` is one or more; only as whole labels. */
const policy = z.strictObject({
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

export const configSchema = z.strictObject({
  publicUrl: httpsUrl
    .optional()
    .describe(
      'every ACME URL is built from it, never from `Host`; default: `https://localhost:` and the port of `listeners.acme`',
    ),
  formerPublicUrls: listOf(httpsUrl)
    .default([])
    .describe(
      'earlier values of `publicUrl`, still accepted in `kid` and `url` of requests, so that clients survive a move',
    ),
  publicHttpUrl: httpUrl
    .optional()
    .describe(
      'base of the CRL and issuer addresses that certificates carry; cannot be changed in issued ones; default: `http://localhost:` and the port of `listeners.public`',
    ),
  listeners: z
    .strictObject({
      acme: listenAddress.default('127.0.0.1:8443').describe('HTTPS: ACME, and `/root.pem`'),
      public: listenAddress.default('127.0.0.1:8080').describe('plain HTTP: CRLs, issuing CA certificates, the root'),
      admin: listenAddress
        .default('127.0.0.1:8444')
        .describe(
          'plain HTTP: `/metrics`, `/healthz`, `/readyz`; a loopback address only, because it has no authentication yet',
        ),
    })
    .prefault({}),
  tls: z
    .strictObject({
      names: listOf(z.string())
        .default([])
        .describe('more names and addresses for the server certificate, beside the host of `publicUrl`'),
      lifetime: duration
        .default(7 * 86_400)
        .describe('validity of the server certificate, which renews itself at two thirds of it; at least an hour'),
    })
    .prefault({}),
  store: z
    .strictObject({
      url: z
        .string()
        .regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)/, 'must be sqlite:PATH or postgres://user@host:port/database')
        .optional()
        .describe(
          '`sqlite:PATH`, relative to the state folder, or `postgres://user@host:port/database`; default: `sqlite:chancery.db`; see `docs/postgresql.md`',
        ),
      postgres: z
        .strictObject({
          poolSize: z.number().int().min(2).max(500).default(10).describe('connections of one server process'),
          connectTimeout: duration.default(5).describe('for a new connection'),
          acquireTimeout: duration
            .default(5)
            .describe('how long a request waits for a free connection before it is answered 503'),
          statementTimeout: duration.default(10).describe('for one statement, and for a transaction that stands still'),
          lockTimeout: duration.default(5).describe('how long a statement waits for a row that another one holds'),
          pooler: z
            .boolean()
            .default(false)
            .describe('`true` behind a pooler in transaction mode: time limits are then set in each transaction'),
          prepare: z
            .boolean()
            .optional()
            .describe(
              'keep statements prepared by name; default: yes, and no where `pooler` is true; PgBouncer can from 1.21 on',
            ),
          passwordFile: z
            .string()
            .optional()
            .describe(
              'file, relative to the state folder and for its owner alone, whose first line is the password; read anew for each connection',
            ),
          caFile: z
            .string()
            .optional()
            .describe('PEM of the CAs that may vouch for the server; default: those that Node.js knows'),
          certFile: z.string().optional().describe('PEM of our own certificate, where the server asks for one'),
          keyFile: z.string().optional().describe('its private key, PEM, for its owner alone'),
        })
        .prefault({}),
    })
    .prefault({}),
  issuanceLog: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe(
          "keep the certificates' own log beside the database, with which a restore can say what the backup lacks; see `docs/backup.md`",
        ),
      path: z
        .string()
        .min(1)
        .default('issued')
        .describe('folder of the log, relative to the state folder; best on another disk or host than the database'),
      delay: duration.default(1).describe('longest time from a commit to its being in the log'),
      keep: duration
        .default(35 * 86_400)
        .describe(
          'how long a file of the log is kept after everything in it has expired; longer than any backup that may be restored',
        ),
    })
    .prefault({}),
  backup: z
    .strictObject({
      every: duration.optional().describe('make a backup so often while the server runs; default: never by itself'),
      directory: z
        .string()
        .min(1)
        .default('backups')
        .describe('where backups that the server makes go, relative to the state folder; best on another disk or host'),
      keep: z.number().int().min(1).max(10_000).default(14).describe('how many of these are kept'),
      withKeys: z.boolean().default(true).describe('whether they hold the online keys too, as these lie in `keys/`'),
    })
    .prefault({}),
  keys: z
    .strictObject({
      passphraseFile: z
        .string()
        .optional()
        .describe(
          'file, relative to the state folder, whose first line encrypts the online keys that are made from then on; default: they are stored plain, for their owner alone',
        ),
    })
    .prefault({}),
  directories: z
    .record(z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/), directory)
    .prefault({ default: {} }),
  profiles: z.record(profileName, profile).prefault({ server: {} }),
  policies: z
    .record(z.string().min(1), policy)
    .prefault({ default: { allow: { dns: [...DEFAULT_POLICY_NAMES], ip: [...DEFAULT_POLICY_ADDRESSES] } } }),
  policy: z
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
    .prefault({}),
  accounts: z
    .strictObject({
      maxContacts: z.number().int().min(0).max(100).default(10).describe('contact addresses of one account'),
    })
    .prefault({}),
  orders: z
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
    .prefault({}),
  validation: z
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
      attempts: z
        .number()
        .int()
        .min(1)
        .max(20)
        .default(3)
        .describe('tries before http-01 and tls-alpn-01 are given up'),
      retryAfter: duration.default(5).describe('wait between two tries'),
      dnsAttempts: z
        .number()
        .int()
        .min(1)
        .max(50)
        .default(8)
        .describe('tries before dns-01 is given up; records take time to spread'),
    })
    .prefault({}),
  renewalInfo: z
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
    .prefault({}),
  crl: z
    .strictObject({
      lifetime: duration.default(86_400).describe('from thisUpdate to nextUpdate; rebuilt at half of it'),
      rebuildWithin: duration.default(30).describe('longest wait from a revocation to the CRL that lists it'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe(
          '`false` switches all rate limits and the limit of connections per address off, for a measurement; the bounds that keep the server alive stay',
        ),
      bodyBytes: z
        .number()
        .int()
        .min(1024)
        .max(1 << 20)
        .default(50_000)
        .describe('bytes of one request body'),
      identifiersPerOrder: z.number().int().min(1).max(1000).default(100).describe('names in one order'),
      connections: z.number().int().min(16).default(10_000).describe('open connections of one listener'),
      connectionsPerAddress: z
        .number()
        .int()
        .min(1)
        .default(4_000)
        .describe('of these, from one address (IPv6: one /64)'),
      requestTimeout: duration.default(30).describe('for the whole of one request to arrive'),
      handshakes: z
        .number()
        .int()
        .min(16)
        .max(65_536)
        .default(4_096)
        .describe('TLS handshakes that wait for their turn; more are cut off'),
      requests: z.number().int().min(8).max(10_000).default(256).describe('signed requests being worked on at once'),
      queueDelayMs: z
        .number()
        .int()
        .min(20)
        .max(10_000)
        .default(400)
        .describe(
          'milliseconds that a new order or account may wait for its turn before it is refused with 503; orders in flight may wait ten times as long',
        ),
      queueLength: z
        .number()
        .int()
        .min(16)
        .max(65_536)
        .default(4_096)
        .describe('requests that wait for their turn, at most'),
      issuances: z
        .number()
        .int()
        .min(1)
        .max(10_000)
        .default(256)
        .describe('certificates being signed and stored at once; more are answered 503, and their orders stay ready'),
      validationBacklog: z
        .number()
        .int()
        .min(16)
        .max(1_000_000)
        .default(20_000)
        .describe('validations not ended, above which no new orders are taken'),
      clockTolerance: duration.default(60).describe('how far the wall clock may go back before signing stops'),
      requestsPerAddress: rate('300000/1m burst 150000').describe('all requests from one network address'),
      newNoncesPerAddress: rate('120000/1m burst 60000').describe('of these, requests for nonces'),
      failedRequestsPerAddress: rate('6000/1m').describe('of these, those that could not be authenticated'),
      newAccountsPerAddress: rate('10000/1h').describe('accounts registered from one network address'),
      newNamesPerAccount: rate('50000/1h').describe('names ordered by one account, renewals not counted'),
      newNamesPerExternalKey: rate('50000/1h').describe('the same for all accounts of one external account key'),
      newNamesPerDirectory: rate('200000/1h').describe('the same for a whole directory'),
      certificatesPerParent: rate('100000/1h').describe(
        'certificates for names under one parent name; when used up, orders for new names there are refused',
      ),
      certificatesPerNameSet: rate('2000/1d').describe('certificates for exactly the same names to one account'),
      renewalsPerNameSet: rate('60/1h').describe('renewals of the same names that are not counted as new names'),
      revocations: rate('20000/1h').describe('revocations by one account, or signed by keys from one network address'),
      keyChangesPerAccount: rate('60/1h burst 30').describe('changes of the key of one account'),
      renewableFor: duration
        .default(7 * 86_400)
        .describe(
          'how long after its end a certificate can still be renewed: an order for its names counts none as new',
        ),
      parentLabels: z
        .number()
        .int()
        .min(0)
        .max(127)
        .default(0)
        .describe('labels of a parent name, counted from the end; 0: all but the first of the name'),
      ipv6NetworkFactor: z
        .number()
        .int()
        .min(1)
        .max(65_536)
        .default(4)
        .describe('an IPv6 address counts by its /64; all of a /48 together may have this many times as much'),
      trustedProxies: listOf(z.string())
        .default([])
        .describe('CIDR blocks of proxies whose `X-Forwarded-For` tells the network address of the client'),
      pauseAfterFailures: z
        .number()
        .int()
        .min(0)
        .max(1_000_000)
        .default(10)
        .describe('failed proofs of one name by one account in a row, after which orders for it are refused; 0: never'),
      pauseFor: duration.default(900).describe('how long; twice as long with each further failure'),
      pauseAtMost: duration.default(86_400).describe('the longest pause'),
      helpUrl: webUrl
        .optional()
        .describe('URL that refusals link to with `rel="help"`, such as your own page on limits'),
    })
    .prefault({}),
  retention: z
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
    .prefault({}),
  chaos: z
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
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('`debug`, `info`, `warn` or `error`'),
    })
    .prefault({}),
  shutdown: z
    .strictObject({
      drainTimeout: duration.default(20).describe('how long SIGTERM waits for requests under way'),
    })
    .prefault({}),
})

/** The configuration as read: defaults filled in, durations in seconds. */
export type Config = z.infer<typeof configSchema>
export type DirectoryConfig = Config['directories'][string]
export type ProfileConfig = Config['profiles'][string]
export type PolicyConfig = Config['policies'][string]
