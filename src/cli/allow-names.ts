import { readFile } from 'node:fs/promises'
import { isMap, parseDocument } from 'yaml'
import { homeAt, replaceFile } from '../app/home.ts'
import { DEFAULT_POLICY_ADDRESSES, DEFAULT_POLICY_NAMES } from '../config/schema.ts'
import { parseCidr } from '../lib/cidr.ts'
import { looksLikeIpAddress } from '../lib/ip-address.ts'
import { compileNamePattern } from '../policy/name-pattern.ts'
import { type CommandContext, CommandError, UsageError } from './command.ts'

/**
 * Writes the names of `--names` into the default policy of the configuration file, beside what is allowed there
 * already or, in a file without a policy, beside the built-in names. Comments in the file stay.
 *
 * @throws {UsageError} when a name cannot be one
 */
export async function allowNames(context: CommandContext): Promise<void> {
  const given = context.list('names').flatMap((text) => text.split(',').map((name) => name.trim()))
  const withoutDefaults = context.on('no-default-names')
  if (given.length === 0) {
    if (withoutDefaults) throw new UsageError('--no-default-names leaves nothing to allow; give --names too')
    return
  }
  const { dns, ip } = sortNames(given)
  const config = await context.config()
  if (config.policy.file !== undefined)
    throw new UsageError(`--names is for policies of the configuration; add a rule to ${config.policy.file} instead`)
  const file = config.file ?? context.text('config') ?? homeAt(context.homePath).configFile
  const document = parseDocument(await readFile(file, 'utf8').catch(missingIsEmpty))
  const path = ['policies', 'default', 'allow']
  const { allow } = config.policies['default'] ?? {}
  const [dnsBefore, ipBefore] = isMap(document.getIn(path))
    ? [allow?.dns ?? [], allow?.ip ?? []]
    : withoutDefaults
      ? [[], []]
      : [[...DEFAULT_POLICY_NAMES], [...DEFAULT_POLICY_ADDRESSES]]
  document.setIn([...path, 'dns'], [...new Set([...dnsBefore, ...dns])])
  document.setIn([...path, 'ip'], [...new Set([...ipBefore, ...ip])])
  await replaceFile(file, document.toString(), 0o644)
  context.out(`${file}: policies.default.allow now holds ${[...dns, ...ip].join(', ')}`)
}

/** A plain name stands for itself and everything below it; patterns and blocks are taken as they are. */
function sortNames(given: readonly string[]): { dns: string[]; ip: string[] } {
  const dns: string[] = []
  const ip: string[] = []
  for (const name of given) {
    try {
      if (name.includes('/') || looksLikeIpAddress(name)) ip.push(parseCidr(name).text)
      else if (name.includes('*')) dns.push(compileNamePattern(name).text)
      else dns.push(compileNamePattern(name).text.toLowerCase(), `**.${name.toLowerCase()}`)
    } catch (error) {
      throw new UsageError(`--names: ${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return { dns, ip }
}

function missingIsEmpty(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return ''
  throw new CommandError(`the configuration file cannot be read (${error.code ?? error.message})`)
}
