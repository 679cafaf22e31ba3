import { parseArgs } from 'node:util'
import { nearest } from '../config/nearest.ts'
import { COMMON_FLAGS, type Command, type CommandEntry, type Flag, UsageError } from './command.ts'

export interface ParsedArguments {
  readonly flags: ReadonlyMap<string, readonly string[]>
  readonly words: readonly string[]
}

/** Spellings of flags that stand for another. */
const SHORT: Readonly<Record<string, string>> = { h: 'help' }

/**
 * Finds the command: its one or two words, before or after flags that every command takes. Without words it is the
 * one named `defaultName`.
 *
 * @throws {UsageError}
 */
export function findCommand(
  argv: readonly string[],
  commands: readonly CommandEntry[],
  defaultName: string,
): CommandEntry {
  const words = positionals(tokensOf(argv, COMMON_FLAGS))
  const name = words.length === 0 ? defaultName : undefined
  const found =
    commands.find((one) => one.name === (name ?? words.slice(0, 2).join(' '))) ??
    commands.find((one) => one.name === words[0])
  if (found !== undefined) return found
  const [first = ''] = words
  const family = commands.filter((one) => one.name.startsWith(`${first} `)).map((one) => one.name)
  if (family.length > 0) throw new UsageError(`${first} needs one more word: ${family.join(', ')}`)
  const names = commands.map((one) => one.name)
  const near = nearest(words.slice(0, 2).join(' '), names) ?? nearest(first, names)
  throw new UsageError(
    `there is no command ${JSON.stringify(first)}; ${near === undefined ? '`chancery help` lists them' : `did you mean ${near}?`}`,
  )
}

/**
 * Reads the flags and words of a command. Nothing unknown is let pass.
 *
 * @throws {UsageError}
 */
export function parseArguments(argv: readonly string[], name: string, command: Command): ParsedArguments {
  const known = flagsOf(command)
  const tokens = tokensOf(argv, known)
  const flags = new Map<string, string[]>()
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const flagName = SHORT[token.name] ?? token.name
    const flag = Object.hasOwn(known, flagName) ? known[flagName] : undefined
    if (flag === undefined) throw new UsageError(unknownFlag(token.rawName, known, name))
    if (flag.value !== undefined && token.value === undefined) {
      throw new UsageError(`--${flagName} needs a value: --${flagName} ${flag.value}`)
    }
    if (flag.value === undefined && token.value !== undefined) throw new UsageError(`--${flagName} takes no value`)
    const given = flags.get(flagName) ?? []
    if (given.length > 0 && flag.repeatable !== true) throw new UsageError(`--${flagName} was given twice`)
    flags.set(flagName, [...given, token.value ?? ''])
  }
  const words = positionals(tokens)
  // The words of the command itself come first; without them it is the default one.
  const own = words.length === 0 ? 0 : name.split(' ').length
  const rest = words.slice(own)
  if (!flags.has('help')) checkWords(name, command.words ?? [], rest)
  return { flags, words: rest }
}

export function flagsOf(command: Command): Readonly<Record<string, Flag>> {
  return { ...command.flags, ...COMMON_FLAGS }
}

function tokensOf(argv: readonly string[], flags: Readonly<Record<string, Flag>>) {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      { type: flag.value === undefined ? ('boolean' as const) : ('string' as const), multiple: true },
    ]),
  )
  return parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true }).tokens
}

function positionals(tokens: ReturnType<typeof tokensOf>): string[] {
  return tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []))
}

function unknownFlag(raw: string, known: Readonly<Record<string, Flag>>, name: string): string {
  const near = nearest(raw.replace(/^-+/, ''), Object.keys(known))
  const hint = near === undefined ? `\`chancery ${name} --help\` lists what it takes` : `did you mean --${near}?`
  return `${name} has no flag ${raw}; ${hint}`
}

function checkWords(name: string, wanted: readonly string[], words: readonly string[]): void {
  const missing = wanted.slice(words.length).filter((word) => !word.startsWith('['))
  if (missing.length > 0) throw new UsageError(`${name} needs ${missing.join(' and ')}`)
  const extra = words[wanted.length]
  if (extra !== undefined) throw new UsageError(`${name} does not take ${JSON.stringify(extra)}`)
}
