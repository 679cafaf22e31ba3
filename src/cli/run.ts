import { resolve } from 'node:path'
import { HomeError } from '../app/home.ts'
import { StartError } from '../app/start-error.ts'
import { ConfigError, FlagError } from '../config/config-error.ts'
import { IssuanceError } from '../issuance/issuance-error.ts'
import { type Clock, keepAlive, systemClock } from '../lib/clock.ts'
import { type Random, systemRandom } from '../lib/random.ts'
import { PolicyFileError } from '../policy/language/policy-file-error.ts'
import { LogError } from '../recovery/log-error.ts'
import { BackupError } from '../recovery/manifest.ts'
import { SignerError } from '../signer/signer.ts'
import { StoreError } from '../store/store.ts'
import { findCommand, parseArguments } from './arguments.ts'
import { type CommandContext, CommandError, UsageError } from './command.ts'
import { COMMANDS } from './commands.ts'
import { commandHelp, overview } from './help.ts'

export interface CliSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  out(line: string): void
  err(line: string): void
  readonly clock?: Clock
  readonly random?: Random
}

/**
 * Runs one command line.
 *
 * @returns the exit code: 0 done, 1 failed, 2 the command line itself was wrong
 */
export async function runCli(argv: readonly string[], around: CliSurroundings): Promise<number> {
  try {
    const [only] = argv.length === 1 ? argv : []
    if (only === '--help' || only === '-h' || argv[0] === 'help') {
      around.out(overview(COMMANDS))
      return 0
    }
    // `--version` is what people type before they know the verbs.
    const given = only === '--version' || only === '-v' ? ['version'] : argv
    const entry = findCommand(given, COMMANDS, 'serve')
    const command = await entry.load()
    const { flags, words } = parseArguments(given, entry.name, command)
    if (flags.has('help')) {
      around.out(commandHelp(entry, command))
      return 0
    }
    const homePath = resolve(around.cwd, around.env['CHANCERY_HOME'] || 'chancery-home')
    const context: CommandContext = {
      text: (flag) => flags.get(flag)?.[0],
      list: (flag) => flags.get(flag) ?? [],
      on: (flag) => flags.has(flag),
      words,
      homePath,
      config: async (instead) => {
        const { readConfig } = await import('../config/read.ts')
        const file = flags.get('config')?.[0] ?? instead
        return readConfig({
          home: homePath,
          file: file === undefined ? undefined : resolve(around.cwd, file),
          set: flags.get('set'),
        })
      },
      path: (given) => resolve(around.cwd, given),
      out: around.out,
      err: around.err,
      clock: around.clock ?? systemClock,
      random: around.random ?? systemRandom,
    }
    // A write may wait for another process that holds the database, and the command must not end in the midst of it.
    const end = keepAlive()
    try {
      return await command.run(context)
    } finally {
      end()
    }
  } catch (error) {
    return explainFailure(error, around)
  }
}

const KNOWN_FAILURES = [
  CommandError,
  HomeError,
  StartError,
  SignerError,
  StoreError,
  IssuanceError,
  LogError,
  BackupError,
  PolicyFileError,
]

/** Known failures in words; anything else with its stack, because then it is ours to repair. */
function explainFailure(error: unknown, around: CliSurroundings): number {
  if (error instanceof UsageError || error instanceof FlagError) {
    around.err(`chancery: ${error.message}`)
    return 2
  }
  if (error instanceof ConfigError) {
    around.err('chancery: the configuration cannot be used')
    for (const problem of error.problems) around.err(`  ${problem}`)
    return 1
  }
  if (KNOWN_FAILURES.some((kind) => error instanceof kind)) {
    for (const line of (error as Error).message.split('\n')) around.err(`chancery: ${line}`)
    return 1
  }
  around.err(`chancery: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return 1
}
