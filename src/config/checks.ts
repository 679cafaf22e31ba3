import { isIP } from 'node:net'
import { profileProblems } from '../issuance/profile-problems.ts'
import { parseCidr } from '../lib/cidr.ts'
import { normalizeDnsName } from '../lib/dns-name.ts'
import { parseIpAddress } from '../lib/ip-address.ts'
import { emailPattern, uriPattern } from '../policy/language/name-parts.ts'
import { compileNamePattern } from '../policy/name-pattern.ts'
import { parseEndpoint } from '../validation/socket-address.ts'
import { splitAddress } from './listen-address.ts'
import { nearest } from './nearest.ts'
import type { ResolvedConfig } from './read.ts'

/** What the schema cannot see: whether the parts fit together. Every problem is a sentence naming its key. */
export function checkConfig(config: ResolvedConfig): string[] {
  return [
    ...checkReferences(config),
    ...checkUrls(config),
    ...checkListeners(config),
    ...checkLifetimes(config),
    ...checkNames(config),
    ...checkValidation(config),
    ...checkLimits(config),
  ]
}

function checkReferences(config: ResolvedConfig): string[] {
  const problems: string[] = []
  const mustExist = (where: string, kind: 'profiles' | 'policies', name: string): void => {
    const known = Object.keys(config[kind])
    if (known.includes(name)) return
    const near = nearest(name, known)
    problems.push(
      `${where}: there is no ${name} below ${kind}; ${near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`}`,
    )
  }
  for (const [name, directory] of Object.entries(config.directories)) {
    mustExist(`directories.${name}.profile`, 'profiles', directory.profile)
    for (const profile of directory.profiles) mustExist(`directories.${name}.profiles`, 'profiles', profile)
    if (config.policy.file === undefined) mustExist(`directories.${name}.policy`, 'policies', directory.policy)
    if (directory.challenges.length === 0)
      problems.push(`directories.${name}.challenges: name at least one challenge, nothing could be proved`)
  }
  if (
    config.policy.file === undefined &&
    (config.policy.author !== undefined || config.policy.blocklistFiles.length > 0)
  )
    problems.push('policy: author and blocklistFiles belong to policy.file, which is not set')
  for (const [name, policy] of Object.entries(config.policies)) {
    for (const profile of policy.profiles ?? []) mustExist(`policies.${name}.profiles`, 'profiles', profile)
    if (policy.keys.minRsaBits > policy.keys.maxRsaBits)
      problems.push(`policies.${name}.keys: minRsaBits is larger than maxRsaBits`)
    if (policy.keys.algorithms.length === 0) problems.push(`policies.${name}.keys.algorithms: name at least one`)
  }
  for (const [name, profile] of Object.entries(config.profiles)) {
    if (!ISSUER_NAME.test(profile.issuer))
      problems.push(
        `profiles.${name}.issuer: a name of lower-case letters, digits and hyphens, the name of its files in the state folder`,
      )
    problems.push(...profileProblems(profile).map(({ key, problem }) => `profiles.${name}.${key}: ${problem}`))
  }
  return problems
}

/** Names of issuing CAs become file names. */
export const ISSUER_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Wrong addresses in issued certificates cannot be repaired (KF-C22). */
function checkUrls(config: ResolvedConfig): string[] {
  // Made from a port that `checkListeners` complains about.
  if (!URL.canParse(config.publicUrl) || !URL.canParse(config.publicHttpUrl)) return []
  const problems: string[] = []
  for (const [key, text] of [
    ['publicUrl', config.publicUrl],
    ...config.formerPublicUrls.map((url) => ['formerPublicUrls', url]),
  ] as [string, string][]) {
    const url = new URL(text)
    if (
      url.href.replace(/\/$/, '') !== text ||
      url.search !== '' ||
      url.hash !== '' ||
      url.username !== '' ||
      url.password !== ''
    ) {
      problems.push(
        `${key}: ${text} is compared letter by letter; write it in its normal form, without user, query or fragment: ${url.origin}${url.pathname.replace(/\/$/, '')}`,
      )
    }
  }
  const http = new URL(config.publicHttpUrl)
  if (http.href.replace(/\/$/, '') !== config.publicHttpUrl)
    problems.push(`publicHttpUrl: ${config.publicHttpUrl} is not in its normal form; write ${http.href}`)
  if (http.search !== '' || http.hash !== '' || http.username !== '' || http.password !== '') {
    problems.push('publicHttpUrl: it stands in certificates for years; no user, query or fragment')
  }
  const host = new URL(config.publicUrl).hostname
  if (!isAddress(host) && !normalizeDnsName(host).ok)
    problems.push(`publicUrl: ${host} is not a name that our own certificate could hold`)
  return problems
}

const isAddress = (host: string): boolean => isIP(host.replace(/^\[|\]$/g, '')) !== 0

function checkListeners(config: ResolvedConfig): string[] {
  const problems: string[] = []
  const taken = new Map<string, string>()
  for (const [name, text] of Object.entries(config.listeners)) {
    const { host, port } = splitAddress(text)
    const base = ({ acme: 'publicUrl', public: 'publicHttpUrl' } as const)[name as 'acme' | 'public']
    if (port === 0 && base !== undefined && config[base].endsWith(':0')) {
      problems.push(`listeners.${name}: with port 0 nobody knows the port in advance; set ${base}`)
    }
    if (port > 65_535) problems.push(`listeners.${name}: ${port} is not a port`)
    const other = taken.get(text)
    if (port !== 0 && other !== undefined) problems.push(`listeners.${name}: ${text} is taken by listeners.${other}`)
    taken.set(text, name)
    if (name === 'admin' && !isLoopback(host)) {
      problems.push(
        `listeners.admin: ${text} is not a loopback address. This listener has no authentication yet, so it is kept on ` +
          'the machine itself; let a local agent or a proxy with authentication pass the metrics on',
      )
    }
  }
  return problems
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function checkLifetimes(config: ResolvedConfig): string[] {
  const problems: string[] = []
  const shorter = (a: string, aSeconds: number, b: string, bSeconds: number): void => {
    if (aSeconds > bSeconds) problems.push(`${a} (${aSeconds} s) must not be longer than ${b} (${bSeconds} s)`)
  }
  for (const [name, profile] of Object.entries(config.profiles)) {
    const at = `profiles.${name}`
    if (profile.maxLifetime !== undefined)
      shorter(`${at}.lifetime`, profile.lifetime, `${at}.maxLifetime`, profile.maxLifetime)
    if (profile.backdate >= profile.lifetime)
      problems.push(
        `${at}.backdate (${profile.backdate} s) must be shorter than its lifetime, or certificates would be born expired`,
      )
  }
  shorter('crl.rebuildWithin', config.crl.rebuildWithin, 'half of crl.lifetime', config.crl.lifetime / 2)
  shorter(
    'orders.sharePendingFor',
    config.orders.sharePendingFor,
    'orders.pendingAuthorizationLifetime',
    config.orders.pendingAuthorizationLifetime,
  )
  if (config.tls.lifetime < 3600)
    problems.push('tls.lifetime: at least 1h, or our own certificate could end before it is renewed')
  return problems
}

function checkNames(config: ResolvedConfig): string[] {
  const problems: string[] = []
  const attempt = (where: string, text: string, parse: (text: string) => unknown): void => {
    try {
      parse(text)
    } catch (error) {
      problems.push(`${where}: ${text}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  for (const [name, policy] of Object.entries(config.policies)) {
    for (const list of ['allow', 'deny'] as const) {
      for (const pattern of policy[list].dns) attempt(`policies.${name}.${list}.dns`, pattern, compileNamePattern)
      for (const block of policy[list].ip) attempt(`policies.${name}.${list}.ip`, block, parseCidr)
      for (const pattern of policy[list].uri) attempt(`policies.${name}.${list}.uri`, pattern, uriPattern)
      for (const pattern of policy[list].email) attempt(`policies.${name}.${list}.email`, pattern, emailPattern)
    }
  }
  for (const name of config.tls.names) {
    if (!parseIpAddress(name).ok && !normalizeDnsName(name).ok)
      problems.push(`tls.names: ${name} is neither a name nor an address in its normal form`)
  }
  return problems
}

function checkValidation(config: ResolvedConfig): string[] {
  const problems: string[] = []
  const resolver = (where: string, text: string): void => {
    const { host, port } = splitAddress(text)
    if (!/:\d{1,5}$/.test(text) || isIP(host) === 0 || port < 1 || port > 65_535)
      problems.push(`${where}: ${text} must be address:port, such as 127.0.0.1:53 or [::1]:53`)
  }
  for (const text of config.validation.dns.resolvers) resolver('validation.dns.resolvers', text)
  for (const [zone, resolvers] of Object.entries(config.validation.dns.zones)) {
    if (!normalizeDnsName(zone).ok) problems.push(`validation.dns.zones: ${zone} is not a name`)
    if (resolvers.length === 0) problems.push(`validation.dns.zones.${zone}: name at least one resolver`)
    for (const text of resolvers) resolver(`validation.dns.zones.${zone}`, text)
  }
  for (const list of ['allow', 'deny'] as const) {
    for (const text of config.validation.egress[list]) {
      // `address:port` names one of our own listeners.
      if (list === 'allow' && parseEndpoint(text)?.port !== undefined) continue
      try {
        parseCidr(text)
      } catch (error) {
        problems.push(`validation.egress.${list}: ${text}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }
  return problems
}

function checkLimits({ limits }: ResolvedConfig): string[] {
  const problems: string[] = []
  if (limits.pauseFor > limits.pauseAtMost)
    problems.push(
      `limits.pauseFor (${limits.pauseFor} s) must not be longer than limits.pauseAtMost (${limits.pauseAtMost} s)`,
    )
  for (const block of limits.trustedProxies) {
    try {
      parseCidr(block)
    } catch (error) {
      problems.push(`limits.trustedProxies: ${block}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return problems
}
