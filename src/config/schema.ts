import { z } from 'zod'

/**
 * The configuration, field by field: meaning, unit, default. Unknown keys stop the start (KF-G06).
 * `chancery config schema` prints this as JSON Schema.
 */

/** `host:port`, with IPv6 in brackets. */
const listenAddress = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^:[\]\s]+):\d{1,5}$/, 'must be host:port, IPv6 in brackets')
const httpsUrl = z.url({ protocol: /^https$/ })
const httpUrl = z.url({ protocol: /^http$/ })
const seconds = z.number().int().positive()
/** A length of time: a number of seconds, or text such as `90s`, `15m`, `24h`, `7d`. Becomes seconds. */
const DURATION_UNITS = { s: 1, m: 60, h: 3600, d: 86400 } as const
const duration = z
  .union([seconds, z.string().regex(/^\d{1,9}[smhd]$/, 'must be seconds, or a number with s, m, h or d')])
  .transform((value) => typeof value === 'number' ? value : Number(value.slice(0, -1)) * DURATION_UNITS[value.slice(-1) as keyof typeof DURATION_UNITS])
  .pipe(seconds)
/** A list; one plain value stands for a list of one, so that `--set a.b=x` works. */
const listOf = <T extends z.ZodType>(item: T) => z.preprocess((value) => (value === undefined || Array.isArray(value) ? value : [value]), z.array(item))

const profile = z.strictObject({
  description: z.string().default('').describe('shown to clients and operators'),
  lifetime: duration.default(86_400).describe('validity when the order asks for none'),
  maxLifetime: duration.optional().describe('longest validity an order may ask for; default: lifetime'),
  backdate: duration.default(300).describe('how far notBefore lies before signing, for devices whose clock is behind'),
  extendedKeyUsages: listOf(z.enum(['serverAuth', 'clientAuth'])).default(['serverAuth']),
  subject: z.enum(['empty', 'commonName']).default('empty').describe('commonName: the first dns name of at most 64 characters'),
  issuer: z.string().default('default').describe('name of the issuing CA in the state folder'),
})

const directory = z.strictObject({
  profile: z.string().default('server').describe('the profile of every order of this directory'),
  externalAccount: z.enum(['none', 'optional', 'required']).default('none').describe('external account binding (RFC 8555 §7.3.4)'),
  challenges: listOf(z.enum(['http-01', 'dns-01', 'tls-alpn-01'])).default(['http-01', 'dns-01', 'tls-alpn-01']),
  policy: z.string().default('default').describe('the policy, by its name below `policies`'),
  termsOfService: z.url().optional().describe('when set, a new account must agree'),
  website: z.url().optional(),
  caaIdentities: listOf(z.string()).optional(),
  maxNotBeforeAhead: duration.default(3600).describe('how far in the future an order may ask notBefore to be (CQ-O16)'),
})

/** Dns patterns are by label: `*` is one label, `**` is one or more; only as whole labels. */
const policy = z.strictObject({
  allow: z.strictObject({
    dns: listOf(z.string()).default([]),
    ip: listOf(z.string()).default([]).describe('CIDR blocks'),
    wildcards: z.boolean().default(true).describe('whether `*.name` may be issued where `x.name` may'),
  }).default({ dns: [], ip: [], wildcards: true }),
  deny: z.strictObject({
    dns: listOf(z.string()).default([]),
    ip: listOf(z.string()).default([]),
  }).default({ dns: [], ip: [] }),
  keys: z.strictObject({
    algorithms: listOf(z.enum(['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519'])).default(['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519']),
    minRsaBits: z.number().int().min(2048).max(8192).default(2048),
    maxRsaBits: z.number().int().min(2048).max(8192).default(4096),
  }).default({ algorithms: ['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519'], minRsaBits: 2048, maxRsaBits: 4096 }),
  profiles: listOf(z.string()).optional().describe('profiles this policy allows; default: all'),
})

/** Names and addresses that no public CA can certify: the first start works in a lab and can hurt nobody. */
export const DEFAULT_POLICY_NAMES = ['**.internal', '**.test', '**.localhost', '**.home.arpa'] as const
export const DEFAULT_POLICY_ADDRESSES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8', 'fc00::/7', '::1/128'] as const

export const configSchema = z.strictObject({
  publicUrl: httpsUrl.optional().describe('every ACME URL is built from it; default https://localhost:<port of listeners.acme>'),
  formerPublicUrls: listOf(httpsUrl).default([]).describe('earlier values of publicUrl, still accepted in `kid` and `url` (CQ-D06)'),
  publicHttpUrl: httpUrl.optional().describe('base of the CRL and issuer addresses in certificates; default http://localhost:<port of listeners.public>'),
  listeners: z.strictObject({
    acme: listenAddress.default('127.0.0.1:8443'),
    public: listenAddress.default('127.0.0.1:8080'),
    admin: listenAddress.default('127.0.0.1:8444'),
  }).prefault({}),
  tls: z.strictObject({
    names: listOf(z.string()).default([]).describe('more names and addresses for the server certificate, beside the host of publicUrl'),
    lifetime: duration.default(7 * 86_400),
  }).prefault({}),
  store: z.strictObject({
    url: z.string().regex(/^sqlite:.+/, 'must be sqlite:PATH').optional().describe('default: sqlite:chancery.db in the state folder'),
  }).prefault({}),
  keys: z.strictObject({
    passphraseFile: z.string().optional().describe('file whose first line encrypts the online keys at rest'),
  }).prefault({}),
  directories: z.record(z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/), directory).prefault({ default: {} }),
  profiles: z.record(z.string().min(1), profile).prefault({ server: {} }),
  policies: z.record(z.string().min(1), policy).prefault({ default: { allow: { dns: [...DEFAULT_POLICY_NAMES], ip: [...DEFAULT_POLICY_ADDRESSES] } } }),
  accounts: z.strictObject({
    maxContacts: z.number().int().min(0).max(100).default(10),
  }).prefault({}),
  orders: z.strictObject({
    lifetime: duration.default(7 * 86_400).describe('how long an order may stay unfinished'),
    pendingAuthorizationLifetime: duration.default(86_400),
    validAuthorizationLifetime: duration.default(86_400).describe('how long a proof may be used again'),
    sharePendingFor: duration.default(300).describe('how long an untried pending authorization is shared between orders (CQ-O12)'),
    acceptPaddedBase64: z.boolean().default(true).describe('accept `=` at the end of csr and certificate (CQ-J03)'),
    allowCertificateGet: z.boolean().default(false).describe('answer unauthenticated GET of certificate URLs (CQ-C07)'),
  }).prefault({}),
  validation: z.strictObject({
    http01: z.strictObject({ port: z.number().int().min(1).max(65535).default(80) }).prefault({}),
    tlsAlpn01: z.strictObject({ port: z.number().int().min(1).max(65535).default(443) }).prefault({}),
    dns: z.strictObject({
      resolvers: listOf(z.string()).default([]).describe('ip:port each; default: the system resolvers'),
      zones: z.record(z.string(), listOf(z.string())).default({}).describe('resolvers for a zone and all below it (split horizon)'),
      timeout: duration.default(5),
    }).prefault({}),
    egress: z.strictObject({
      allow: listOf(z.string()).default([]).describe('CIDR blocks that may be connected to although refused by default; `address:port` names one of our own listeners'),
      deny: listOf(z.string()).default([]).describe('CIDR blocks never connected to; beats allow'),
    }).prefault({}),
    concurrency: z.number().int().min(1).max(10_000).default(256),
    attempts: z.number().int().min(1).max(20).default(3).describe('queries before http-01 and tls-alpn-01 are given up'),
    retryAfter: duration.default(5).describe('between two queries'),
    dnsAttempts: z.number().int().min(1).max(50).default(8),
  }).prefault({}),
  crl: z.strictObject({
    lifetime: duration.default(86_400).describe('nextUpdate minus thisUpdate; rebuilt at half'),
    rebuildWithin: duration.default(30).describe('longest wait from a revocation to the CRL that lists it'),
  }).prefault({}),
  limits: z.strictObject({
    enabled: z.boolean().default(true).describe('false switches the per-address limits off, for a measurement'),
    bodyBytes: z.number().int().min(1024).max(1 << 20).default(50_000),
    identifiersPerOrder: z.number().int().min(1).max(1000).default(100),
    connections: z.number().int().min(16).default(10_000),
    connectionsPerAddress: z.number().int().min(1).default(4_000),
    requestTimeout: duration.default(30).describe('for the whole of one request to arrive'),
    clockTolerance: duration.default(60).describe('how far the wall clock may go back before signing stops'),
  }).prefault({}),
  retention: z.strictObject({
    finalOrders: duration.default(30 * 86_400),
    expiredCertificates: duration.default(90 * 86_400),
    unusedAccounts: duration.default(90 * 86_400),
    spentEabKeys: duration.default(90 * 86_400),
    audit: duration.default(400 * 86_400),
  }).prefault({}),
  chaos: z.strictObject({
    badNoncePercent: z.number().int().min(0).max(100).default(0).describe('share of good nonces refused, to test clients'),
    validationDelay: z.union([z.literal(0), duration]).default(0).describe('wait before each validation, to test clients'),
  }).prefault({}),
  log: z.strictObject({
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  }).prefault({}),
  shutdown: z.strictObject({
    drainTimeout: duration.default(20).describe('how long SIGTERM waits for requests under way'),
  }).prefault({}),
})

/** The configuration as read: defaults filled in, durations in seconds. */
export type Config = z.infer<typeof configSchema>
export type DirectoryConfig = Config['directories'][string]
export type ProfileConfig = Config['profiles'][string]
export type PolicyConfig = Config['policies'][string]
