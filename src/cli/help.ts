import { flagsOf } from './arguments.ts'
import type { Command, CommandEntry } from './command.ts'

/** What `chancery --help` prints. */
export function overview(commands: readonly CommandEntry[]): string {
  const width = Math.max(...commands.map((command) => command.name.length))
  return [
    'Chancery: a private certificate authority with an ACME server at its front door.',
    '',
    'Usage: chancery [command] [flags]',
    '       npm start -- [command] [flags]     from a clone',
    '',
    'Commands:',
    ...commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`),
    `  ${'help'.padEnd(width)}  list the commands`,
    '',
    'Without a command it serves. Every command has its own --help. All of them take:',
    ...flagLines({ run: async () => 0 }),
    '',
    'The state folder is $CHANCERY_HOME, or ./chancery-home.',
  ].join('\n')
}

/** What `chancery <command> --help` prints. */
export function commandHelp(entry: CommandEntry, command: Command): string {
  const words = (command.words ?? []).map((word) => (word.startsWith('[') ? ` ${word}` : ` <${word}>`)).join('')
  return [
    `Usage: chancery ${entry.name}${words} [flags]`,
    '',
    entry.summary,
    ...(command.details === undefined ? [] : ['', command.details]),
    '',
    'Flags:',
    ...flagLines(command),
  ].join('\n')
}

function flagLines(command: Command): string[] {
  const rows = Object.entries(flagsOf(command)).map(
    ([name, flag]) =>
      [
        `--${name}${flag.value === undefined ? '' : ` ${flag.value}`}`,
        `${flag.help}${flag.repeatable === true ? ' (repeatable)' : ''}`,
      ] as const,
  )
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`)
}
