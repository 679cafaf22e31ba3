import type { PolicyConfig } from '../config/schema.ts'
import { type Cidr, parseCidr } from '../lib/cidr.ts'
import { quote } from '../lib/quote.ts'
import type { Decision, Policy, PolicyRequest, RequestedName } from './decision.ts'
import { effectiveRules } from './effective-rules.ts'
import { compileNamePattern, type NamePattern } from './name-pattern.ts'
import { allowedDns } from './rules/allowed-dns.ts'
import { allowedIp } from './rules/allowed-ip.ts'
import { deniedDns } from './rules/denied-dns.ts'
import { deniedIp } from './rules/denied-ip.ts'
import { keyKind } from './rules/key-kind.ts'
import { keyScope } from './rules/key-scope.ts'
import { lifetime } from './rules/lifetime.ts'
import { listedSequence } from './rules/listed-sequence.ts'
import { nameForm } from './rules/name-form.ts'
import { nameType } from './rules/name-type.ts'
import { type ProfileTable, profile } from './rules/profile.ts'
import { deny, type NameRule, type RequestRule, type Verdict } from './rules/rule.ts'
import { someName } from './rules/some-name.ts'
import { usage } from './rules/usage.ts'
import { wildcard } from './rules/wildcard.ts'

export interface PolicyOptions {
  readonly config: PolicyConfig
  /** The name below `policies`, for rule names such as `policies.default.deny.dns`. */
  readonly name: string
  /** Every profile that exists, by name. */
  readonly profiles: ProfileTable
}

/**
 * Makes the policy of one `policies.<name>`. Deny beats allow; what no rule allows is denied; every bad name is
 * reported, each by the first rule that speaks against it.
 *
 * @throws {Error} naming the configuration key, when a pattern or block cannot be read
 */
export function createPolicy({ config, name, profiles }: PolicyOptions): Policy {
  const key = `policies.${name}`
  const { version } = effectiveRules(name, config)
  const nameRules: readonly NameRule[] = [
    nameType(),
    nameForm(),
    deniedDns(`${key}.deny.dns`, patterns(`${key}.deny.dns`, config.deny.dns)),
    deniedIp(`${key}.deny.ip`, blocks(`${key}.deny.ip`, config.deny.ip)),
    ...sequences(key, 'deny', config.deny),
    wildcard(`${key}.allow.wildcards`, config.allow.wildcards),
    allowedDns(`${key}.allow.dns`, patterns(`${key}.allow.dns`, config.allow.dns)),
    allowedIp(`${key}.allow.ip`, blocks(`${key}.allow.ip`, config.allow.ip)),
    ...sequences(key, 'allow', config.allow),
  ]
  const requestRules: readonly RequestRule[] = [
    someName(),
    profile(`${key}.profiles`, profiles, config.profiles),
    keyKind(`${key}.keys`, config.keys),
    lifetime(profiles),
    usage(profiles),
    keyScope(`${key}.scope`),
  ]
  return {
    async decide(request) {
      try {
        return { ...decideBy(request, nameRules, requestRules, key), version }
      } catch {
        const detail = 'The policy could not be evaluated; try again later'
        return { outcome: 'deny', reasons: [{ rule: key, code: 'unavailable', detail }], version }
      }
    },
  }
}

function decideBy(
  request: PolicyRequest,
  nameRules: readonly NameRule[],
  requestRules: readonly RequestRule[],
  key: string,
): Decision {
  const verdicts = request.names.map((name) => firstVerdict(name, nameRules) ?? notAllowed(name, key))
  const against = [
    ...verdicts.filter(({ outcome }) => outcome !== 'allow').map(({ reason }) => reason),
    ...requestRules.flatMap((rule) => rule(request)),
  ]
  if (against.length > 0) return { outcome: 'deny', reasons: against }
  return { outcome: 'allow', reasons: verdicts.map(({ reason }) => reason) }
}

function firstVerdict(name: RequestedName, rules: readonly NameRule[]): Verdict | undefined {
  for (const rule of rules) {
    const verdict = rule(name)
    if (verdict !== undefined) return verdict
  }
  return undefined
}

function notAllowed(name: RequestedName, key: string): Verdict {
  const rule = `${key}.allow.${name.type}`
  const detail = `No rule allows ${quote(name.value)}; ask for another name, or have the operator add it to ${rule}`
  return deny(rule, 'name-not-allowed', name, detail)
}

function patterns(key: string, texts: readonly string[]): NamePattern[] {
  return texts.map((text) => named(key, () => compileNamePattern(text)))
}

function blocks(key: string, texts: readonly string[]): Cidr[] {
  return texts.map((text) => named(key, () => parseCidr(text)))
}

function sequences(key: string, list: 'allow' | 'deny', of: PolicyConfig['allow'] | PolicyConfig['deny']): NameRule[] {
  return (['uri', 'email'] as const).map((type) => {
    const at = `${key}.${list}.${type}`
    return named(at, () => listedSequence(at, type, list, of[type]))
  })
}

function named<T>(key: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new Error(`${key}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
