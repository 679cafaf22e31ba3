import { stringify } from 'yaml'
import type { Command } from './command.ts'

export const command: Command = {
  details: 'Lengths of time are in seconds. The output can be used as a configuration file.',
  run: async (context) => {
    const { database, file, store, ...config } = await context.config()
    context.err(`# read from ${file ?? 'no file: defaults and --set only'}`)
    const url = database.engine === 'sqlite' ? `sqlite:${database.path}` : store.url
    context.out(stringify({ ...config, store: { ...store, url } }).trimEnd())
    return 0
  },
}
