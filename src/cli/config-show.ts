import { stringify } from 'yaml'
import type { Command } from './command.ts'

export const command: Command = {
  details: 'Lengths of time are in seconds. The output can be used as a configuration file.',
  run: async (context) => {
    const { database, file, ...config } = await context.config()
    const { url: named, ...store } = config.store
    context.err(`# read from ${file ?? 'no file: defaults and --set only'}`)
    const url = database.engine === 'sqlite' ? `sqlite:${database.path}` : named
    context.out(stringify({ ...config, store: { url, ...store } }).trimEnd())
    return 0
  },
}
