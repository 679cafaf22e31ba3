import type { ResolvedConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'

/** One flag of a command. `value` names what it takes in the help text; a flag without it is a switch. */
export interface Flag {
  readonly value?: string
  readonly repeatable?: boolean
  readonly help: string
}

/** What a command is given. Flags were checked against its table; a repeatable one is always a list. */
export interface CommandContext {
  /** The value of a flag, undefined when it was not given. */
  text(flag: string): string | undefined
  list(flag: string): readonly string[]
  on(flag: string): boolean
  /** Words after the verb, as many as `words` names. */
  readonly words: readonly string[]
  /** Absolute path of the state folder: `CHANCERY_HOME`, else `./chancery-home`. */
  readonly homePath: string
  /**
   * Reads the configuration as `--config` and `--set` ask.
   *
   * @param instead the file to read where there is no `--config`; default: `chancery.yaml` in the state folder
   * @throws {ConfigError}
   */
  config(instead?: string): Promise<ResolvedConfig>
  /** An absolute path from one that the user gave. */
  path(given: string): string
  /** A line for the user on standard output. */
  out(line: string): void
  /** A line for the user on standard error. */
  err(line: string): void
  readonly clock: Clock
  readonly random: Random
}

export interface Command {
  /** More than the summary, for its own help. */
  readonly details?: string
  readonly flags?: Readonly<Record<string, Flag>>
  /** Names of the words it takes after its own name; those in brackets, such as `[file]`, may be left out and come last. */
  readonly words?: readonly string[]
  /** @returns the exit code */
  run(context: CommandContext): Promise<number>
}

/** A row of the table of commands. */
export interface CommandEntry {
  /** One or two words, such as `serve` or `eab create`. */
  readonly name: string
  /** One line for the table of commands. */
  readonly summary: string
  load(): Promise<Command>
}

/** The command line was wrong; the message says how to put it right. Ends with exit code 2. */
export class UsageError extends Error {}

/** Something the user must see to failed in a known way. Ends with exit code 1, without a stack. */
export class CommandError extends Error {}

/** Flags that every command takes. */
export const COMMON_FLAGS: Readonly<Record<string, Flag>> = {
  config: { value: 'FILE', help: 'read this file instead of chancery.yaml in the state folder' },
  set: {
    value: 'path.to.key=value',
    repeatable: true,
    help: 'set one key of the configuration, over the file; value is YAML',
  },
  help: { help: 'show this help' },
}
