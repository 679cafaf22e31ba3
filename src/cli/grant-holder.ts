import type { ResolvedConfig } from '../config/read.ts'
import { parseId } from '../lib/ids.ts'
import type { NameGrantRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import { type CommandContext, CommandError, type Flag, UsageError } from './command.ts'

export const HOLDER_FLAGS: Readonly<Record<string, Flag>> = {
  account: { value: 'ID', help: 'the account that has it' },
  key: { value: 'ID', help: 'the external account key whose accounts have it, those of its successors too' },
}

/**
 * The holder that the flags name; undefined without either. A key stands for its lineage.
 *
 * @throws {UsageError} for both flags
 * @throws {CommandError} when there is no such account or key
 */
export async function readHolder(
  context: CommandContext,
  { config, store }: { readonly config: ResolvedConfig; readonly store: Store },
): Promise<NameGrantRecord['holder'] | undefined> {
  const [account, key] = [context.text('account'), context.text('key')]
  if (account !== undefined && key !== undefined) throw new UsageError('--account and --key exclude each other')
  if (key !== undefined) {
    const id = parseId('eab-key', key)
    const found = id && (await store.eabKeys.find(id))
    if (found === undefined)
      throw new CommandError(`there is no external account key ${JSON.stringify(key.slice(0, 40))}`)
    return found.lineage ?? found.id
  }
  if (account === undefined) return undefined
  const id = parseId('account', account)
  if (id !== undefined) {
    for (const directory of Object.keys(config.directories))
      if ((await store.accounts.find(directory, id)) !== undefined) return id
  }
  throw new CommandError(`there is no account ${JSON.stringify(account.slice(0, 40))}; its id is the end of its URL`)
}
