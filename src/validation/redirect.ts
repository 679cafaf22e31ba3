import { normalizeDnsName } from '../lib/dns-name.ts'
import { formatIpAddress, ipAddressBytes } from '../lib/ip-address.ts'
import { ValidationFailure } from './failure.ts'
import { type Host, hostText } from './target.ts'

/** One stop of an http-01 fetch. `path` holds the query too, and begins with `/`. */
export interface Hop {
  readonly scheme: 'http' | 'https'
  readonly host: Host
  readonly port: number
  readonly path: string
}

/** At most so many redirects are followed, to paths of at most so many characters (KF-A10). */
export const MAX_REDIRECTS = 10
export const MAX_PATH = 2000

const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 307, 308])
const DEFAULT_PORTS = { http: 80, https: 443 } as const

export function isRedirect(status: number): boolean {
  return REDIRECT_STATUSES.has(status)
}

/**
 * Where a redirect leads, if it may be followed: http or https, port 80, 443 or the one that we validate on, no
 * credentials, a host that is a name or an address once the URL parser has read every odd spelling (KF-A13). The
 * address itself is judged at the outbound door like that of the first hop.
 *
 * @throws {ValidationFailure} `unauthorized`; the text of the Location header is not in it
 */
export function followRedirect(location: string | undefined, from: Hop, ownPort: number): Hop {
  if (location === undefined || location === '') throw refused(from, 'without a Location')
  const url = parseUrl(location, from)
  if (url === undefined) throw refused(from, 'to something that is not a URL')
  const scheme = url.protocol === 'http:' ? 'http' : url.protocol === 'https:' ? 'https' : undefined
  if (scheme === undefined) throw refused(from, 'to a scheme other than http and https')
  if (url.username !== '' || url.password !== '') throw refused(from, 'to a URL with credentials')
  const port = url.port === '' ? DEFAULT_PORTS[scheme] : Number(url.port)
  if (port !== 80 && port !== 443 && port !== ownPort) throw refused(from, 'to a port other than 80 and 443')
  const host = parseHost(url.hostname)
  if (host === undefined) throw refused(from, 'to a host that is neither a DNS name nor an address')
  const path = `${url.pathname}${url.search}`
  if (path.length > MAX_PATH) throw refused(from, `to a path of more than ${MAX_PATH} characters`)
  return { scheme, host, port, path }
}

/** Equal for the same URL; for the rule that each is asked once. */
export function hopKey(hop: Hop): string {
  return `${hop.scheme}://${hostText(hop.host)}:${hop.port}${hop.path}`
}

/** The `Host` header: without port where it is the scheme's own or the one that we validate on (CQ-V10). */
export function hostHeader(hop: Hop, ownPort: number): string {
  const isImplied = hop.port === DEFAULT_PORTS[hop.scheme] || hop.port === ownPort
  return isImplied ? hostText(hop.host) : `${hostText(hop.host)}:${hop.port}`
}

function parseUrl(location: string, from: Hop): URL | undefined {
  return URL.parse(location, `${from.scheme}://${hostText(from.host)}:${from.port}${from.path}`) ?? undefined
}

function parseHost(hostname: string): Host | undefined {
  const bracketed = /^\[(.*)\]$/.exec(hostname)?.[1]
  const bytes = ipAddressBytes(bracketed ?? hostname)
  if (bytes !== undefined) return { type: 'ip', address: formatIpAddress(bytes), bytes }
  if (bracketed !== undefined) return undefined
  const name = normalizeDnsName(hostname)
  return name.ok ? { type: 'dns', name: name.name } : undefined
}

function refused(from: Hop, where: string): ValidationFailure {
  return new ValidationFailure('unauthorized', `${hostText(from.host)} redirected ${where}, which is not followed`)
}
