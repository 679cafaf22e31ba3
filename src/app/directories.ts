import type { AcmeDirectory, OfferedProfile } from '../acme/endpoint.ts'
import { directoryUrls } from '../acme/urls.ts'
import { ConfigError } from '../config/config-error.ts'
import type { ResolvedConfig } from '../config/read.ts'
import { nameMapping } from '../issuance/name-mapping.ts'
import { profileSnapshot } from '../issuance/profile.ts'
import type { Identifier } from '../lib/identifier.ts'
import type { Policy, Requester } from '../policy/decision.ts'
import { type CertificateKeyRules, loadKeyRules } from '../policy/key-policy.ts'
import { RULE_KEY_LIMITS } from '../policy/language/rule-policy.ts'
import { createPolicy } from '../policy/policy.ts'
import { createServerPolicy } from '../policy/server-policy.ts'
import type { ProfileSnapshot } from '../store/records.ts'
import { profilesOf } from './name-scope.ts'

/**
 * Builds every ACME directory with its policy and profile.
 *
 * @param ofFile what decides in place of `policies`; to be given exactly when `policy.file` is set
 * @throws {ConfigError} naming the key that makes no sense, or the file that cannot be read
 */
export async function buildDirectories(config: ResolvedConfig, ofFile?: Policy): Promise<AcmeDirectory[]> {
  try {
    return await build(config, ofFile)
  } catch (cause) {
    throw new ConfigError([cause instanceof Error ? cause.message : String(cause)], { cause })
  }
}

/**
 * Every profile of the configuration by name.
 *
 * @throws {ConfigError}
 */
export function profileTable(config: Pick<ResolvedConfig, 'profiles'>): Map<string, ProfileSnapshot> {
  try {
    return new Map(Object.entries(config.profiles).map(([name, profile]) => [name, profileSnapshot(name, profile)]))
  } catch (cause) {
    throw new ConfigError([cause instanceof Error ? cause.message : String(cause)], { cause })
  }
}

async function build(config: ResolvedConfig, ofFile: Policy | undefined): Promise<AcmeDirectory[]> {
  if ((config.policy.file === undefined) !== (ofFile === undefined)) throw new Error('policy.file is not in force')
  const profiles = profileTable(config)
  const policies = new Map<string, Policy>(
    Object.entries(config.policies).map(([name, policy]) => [name, createPolicy({ config: policy, name, profiles })]),
  )
  const keyRulesOf = new Map<string, CertificateKeyRules>()
  for (const [name, policy] of Object.entries(config.policies)) keyRulesOf.set(name, await loadKeyRules(policy.keys))
  const { blocklistFiles } = config.policy
  const keyRulesOfFile = ofFile && (await loadKeyRules({ ...RULE_KEY_LIMITS, blocklistFiles }))
  return Object.entries(config.directories).map(([name, directory]) => {
    const offered = profilesOf(directory).map((asked): OfferedProfile => {
      const snapshot = profiles.get(asked)
      if (snapshot === undefined)
        throw new Error(`directories.${name} names the profile ${asked}, which does not exist`)
      const settings = config.profiles[asked]
      return {
        snapshot,
        description: settings?.description ?? '',
        mapping: settings && nameMapping(settings),
      }
    })
    const [first] = offered
    const policy = ofFile ?? policies.get(directory.policy)
    const keyRules = keyRulesOfFile ?? keyRulesOf.get(directory.policy)
    if (first === undefined || policy === undefined || keyRules === undefined) {
      throw new Error(`directories.${name} names a policy that does not exist`)
    }
    return {
      name,
      config: directory,
      urls: directoryUrls(config.publicUrl, name),
      policy,
      keyRules,
      profile: first.snapshot,
      profiles: offered,
    }
  })
}

/** Who is judged by what: accounts by their directory's policy, the server by its own; anybody else gets nothing. */
export function policyChooser(
  directories: readonly AcmeDirectory[],
  ownNames: readonly Identifier[],
): (requester: Requester) => Policy {
  const byDirectory = new Map(directories.map((directory) => [directory.name, directory.policy]))
  const server = createServerPolicy(ownNames)
  const nothing = createServerPolicy([])
  return (requester) => {
    switch (requester.kind) {
      case 'server':
        return server
      case 'account':
        // An order of a directory that was taken out of the configuration may still be finished by `resume`.
        return byDirectory.get(requester.directory) ?? nothing
      default:
        return requester satisfies never
    }
  }
}
