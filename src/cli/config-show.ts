import { stringify } from 'yaml'
import type { Command } from './command.ts'

export const command: Command = {
  details: 'Lengths of time are in seconds. The output can be used as a configuration file.',
  run: async (context) => {
    const { databasePath, file, ...config } = await context.config()
    context.err(`# read from ${file ?? 'no file: defaults and --set only'}`)
    context.out(stringify({ ...config, store: { url: `sqlite:${databasePath}` } }).trimEnd())
    return 0
  },
}
