import { isIP } from 'node:net'

export const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/** Where the database is, read from `store.url`. */
export interface PostgresAddress {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly sslMode: SslMode
}

/** How the store talks to it; lengths of time in seconds. */
export interface PostgresSettings {
  readonly poolSize: number
  readonly connectTimeout: number
  readonly acquireTimeout: number
  readonly statementTimeout: number
  readonly lockTimeout: number
  /** Connections go through a pooler that gives a server connection out for one transaction only. */
  readonly pooler: boolean
  /** Whether statements are prepared by name; default: unless there is a pooler. */
  readonly prepare?: boolean | undefined
  /** Absolute paths. */
  readonly passwordFile?: string | undefined
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

const DEFAULT_PORT = 5432

/**
 * Reads `postgres://user@host:port/database?sslmode=…`. For a Unix socket the host is the folder, percent-encoded or
 * as `?host=/folder`. Without `sslmode` a connection over the network must prove the server's name (`verify-full`),
 * and one that stays on this machine is plain.
 *
 * @returns the address, or a sentence that says what is wrong
 */
export function parsePostgresUrl(text: string): PostgresAddress | string {
  if (!URL.canParse(text)) return 'it is not a URL; write postgres://user@host:port/database'
  const url = new URL(text)
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') return 'it must begin with postgres://'
  if (url.password !== '' || url.searchParams.has('password'))
    return 'a password in a URL ends up in logs and process lists; put it into the file of store.postgres.passwordFile'
  if (url.hash !== '') return 'it has a fragment'
  const known = ['host', 'user', 'sslmode']
  for (const key of url.searchParams.keys())
    if (!known.includes(key)) return `it has the parameter ${key}; known: ${known.join(', ')}`
  const host = decode(url.searchParams.get('host') ?? url.hostname.replace(/^\[|\]$/g, ''))
  const user = decode(url.searchParams.get('user') ?? url.username)
  const database = decode(url.pathname.slice(1))
  if (host === '') return 'it names no host'
  if (user === '') return 'it names no user'
  if (database === '' || database.includes('/')) return 'it must name one database after the host'
  const isLocal =
    host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\./.test(isIP(host) ? host : '')
  const sslMode = url.searchParams.get('sslmode') ?? (isLocal ? 'disable' : 'verify-full')
  if (!isSslMode(sslMode)) return `sslmode ${sslMode} is not known; one of ${SSL_MODES.join(', ')}`
  return { host, port: url.port === '' ? DEFAULT_PORT : Number(url.port), user, database, sslMode }
}

function isSslMode(text: string): text is SslMode {
  return (SSL_MODES as readonly string[]).includes(text)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The address as it may stand in messages. */
export function describeAddress({ host, port, database }: PostgresAddress): string {
  return `postgres://${host.includes('/') || host.includes(':') ? encodeURIComponent(host) : host}:${port}/${database}`
}
