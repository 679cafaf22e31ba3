import { type EabKeyId, parseId } from '../lib/ids.ts'
import { type CommandContext, CommandError } from './command.ts'

/** The key that the first word names. @throws {CommandError} when it has not the form of one */
export function keyIdOf(context: Pick<CommandContext, 'words'>): EabKeyId {
  const [word = ''] = context.words
  const id = parseId('eab-key', word)
  if (id === undefined)
    throw new CommandError(
      `there is no external account key ${JSON.stringify(word.slice(0, 40))}; \`chancery eab list\` shows what there is`,
    )
  return id
}
