import { isIP } from 'node:net'
import type { NameConstraints } from '../ca/ca-certificate.ts'
import type { ResolvedConfig } from '../config/read.ts'
import type { DirectoryConfig } from '../config/schema.ts'
import type { RuleSource } from '../policy/language/schema.ts'
import { HomeError } from './home.ts'

/**
 * The name constraints that an issuing CA needs for this configuration: everything that the policies of its
 * directories allow, and the names of our own certificate. Wider than the policy only where RFC 5280 §4.2.1.10 can
 * say no more: a name also covers what is below it.
 *
 * @param issuer only directories with a profile that names this issuing CA count
 * @param rules those of the policy file, where there is one
 * @throws {HomeError} when a policy allows any name, which no constraint can say, or there is no name
 */
export function nameScope(
  config: ResolvedConfig,
  issuer: string,
  ownNames: readonly string[],
  rules?: readonly RuleSource[],
): NameConstraints {
  const dns = new Set<string>()
  const ip = new Set<string>()
  for (const allow of allowedNames(config, issuer, rules)) {
    for (const pattern of allow.dns) {
      const base = literalEnd(pattern)
      if (base === '') {
        throw new HomeError(
          `${allow.where} holds ${pattern}, so the issuing CA cannot be bound to names. ` +
            'Make it on purpose: chancery init --no-name-constraints',
        )
      }
      dns.add(base)
    }
    for (const block of allow.ip) ip.add(block.includes('/') ? block : asBlock(block))
  }
  for (const name of ownNames) {
    if (isIP(name) !== 0) ip.add(asBlock(name))
    else dns.add(name)
  }
  if (dns.size === 0 && ip.size === 0) {
    throw new HomeError(
      `no directory issues from ${issuer} yet, so there are no names to bind it to. Name it in the profile of a ` +
        'directory first, or make it with --no-name-constraints',
    )
  }
  return { dns: withoutCovered([...dns]), ip: [...ip] }
}

/** The profiles that a directory offers, by name. */
export function profilesOf({ profile, profiles }: DirectoryConfig): string[] {
  return [...new Set([profile, ...profiles])]
}

/** What may be issued from one issuing CA, and where that is said. */
export interface AllowedNames {
  readonly where: string
  readonly dns: readonly string[]
  readonly ip: readonly string[]
}

export function allowedNames(config: ResolvedConfig, issuer: string, rules?: readonly RuleSource[]): AllowedNames[] {
  const directories = Object.entries(config.directories).filter(([, directory]) =>
    profilesOf(directory).some((profile) => config.profiles[profile]?.issuer === issuer),
  )
  if (rules === undefined) {
    return directories.map(([, { policy }]) => {
      const allow = config.policies[policy]?.allow
      return { where: `policies.${policy}.allow.dns`, dns: allow?.dns ?? [], ip: allow?.ip ?? [] }
    })
  }
  const isFor = (rule: RuleSource): boolean =>
    rule.effect === 'allow' && directories.some(([name]) => rule.for?.directories?.includes(name) ?? true)
  return rules.filter(isFor).map(({ name, names }) => ({
    where: `the rule ${name}`,
    dns: names?.dns ?? [],
    ip: names?.ip ?? [],
  }))
}

/** The labels behind the last one with a wildcard: `**.prod.example` → `prod.example`. */
function literalEnd(pattern: string): string {
  const labels = pattern.toLowerCase().split('.')
  const lastWild = labels.findLastIndex((label) => label.includes('*'))
  return labels.slice(lastWild + 1).join('.')
}

const asBlock = (address: string): string => `${address}/${isIP(address) === 6 ? 128 : 32}`

/** Leaves out names that another one covers already. */
function withoutCovered(names: string[]): string[] {
  return names.filter((name) => !names.some((other) => other !== name && name.endsWith(`.${other}`)))
}

/** The names of the server's own certificate: the host of publicUrl, and `tls.names`. */
export function serverNames(config: ResolvedConfig): string[] {
  const host = new URL(config.publicUrl).hostname.replace(/^\[|\]$/g, '')
  return [...new Set([host, ...config.tls.names])]
}
