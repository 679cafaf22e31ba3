import { readFile } from 'node:fs/promises'
import { buildDirectories, profileTable } from '../app/directories.ts'
import { readPolicyFile } from '../app/policy-file.ts'
import type { ResolvedConfig } from '../config/read.ts'
import type { Decision, Policy } from '../policy/decision.ts'
import type { IssuedNames, OftenOptions } from '../policy/language/often.ts'
import { PolicyFileError } from '../policy/language/policy-file-error.ts'
import { compilePolicy, type LoadedPolicy, readPolicy } from '../policy/language/read-policy.ts'
import type { ProfileTable } from '../policy/rules/profile.ts'

/** What decides: a file of rules, or the policies of the configuration. */
export interface PolicyInUse {
  /** How messages name it. */
  readonly name: string
  readonly profiles: ProfileTable
  /** The rules, where they come from a file. */
  readonly loaded?: LoadedPolicy
  /** The policy that decides for a directory; undefined when there is no such directory. */
  of(directory: string): Policy | undefined
}

/**
 * Reads the policy as the server would, from the file given, else as the configuration says. Nothing is put into force.
 *
 * @param file absolute path of a file to use instead of what the configuration says
 * @param issuedNames what names were certified; without it how often a name may be is not judged: see `oftenRulesOf`
 * @throws {ConfigError | PolicyFileError}
 */
export async function readPolicyInUse(
  config: ResolvedConfig,
  {
    file,
    now,
    issuedNames,
  }: { readonly file?: string | undefined; readonly now: Date; readonly issuedNames?: IssuedNames },
): Promise<PolicyInUse> {
  const profiles = profileTable(config)
  const context = { profiles, directories: new Set(Object.keys(config.directories)), now }
  const path = file ?? config.policy.file
  if (path === undefined) {
    const directories = new Map((await buildDirectories(config)).map(({ name, policy }) => [name, policy]))
    return { name: 'the configuration', profiles, of: (directory) => directories.get(directory) }
  }
  const replacedIssuers = new Set(config.renewalInfo.replacedIssuers)
  const often = issuedNames && { issuedNames, replacedIssuers }
  const loaded =
    file === undefined
      ? await readPolicyFile(config, { ...context, ...often })
      : await readWith(await textOf(file), context, often)
  return {
    name: path,
    profiles,
    loaded,
    of: (directory) => (config.directories[directory] === undefined ? undefined : loaded.policy),
  }
}

/** The tests of a file are decided as if nothing had been issued; what is asked of it then is not. */
async function readWith(
  text: string,
  context: Parameters<typeof readPolicy>[1],
  often: OftenOptions | undefined,
): Promise<LoadedPolicy> {
  const loaded = await readPolicy(text, context)
  return often === undefined
    ? loaded
    : compilePolicy(loaded.file, loaded.version, { profiles: context.profiles, ...often })
}

/** The rules by which a decision allowed that say how often a name may be certified. */
export function oftenRulesOf({ loaded }: PolicyInUse, { outcome, reasons }: Decision): string[] {
  if (outcome === 'deny' || loaded === undefined) return []
  const by = new Set(reasons.map(({ rule }) => rule))
  return loaded.file.rules.filter(({ name, often }) => often !== undefined && by.has(name)).map(({ name }) => name)
}

/** @throws {PolicyFileError} */
export async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new PolicyFileError([`${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`])
  }
}
