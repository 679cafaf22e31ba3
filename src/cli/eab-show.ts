import { describeKey, stateInWords } from '../external-accounts/describe.ts'
import { type Command, CommandError } from './command.ts'
import { keyIdOf } from './eab-key-id.ts'
import { withStore } from './store-access.ts'

/** Enough to see who has it; a key for thousands is looked into by other means. */
const ACCOUNTS_SHOWN = 20

export const command: Command = {
  details: 'The MAC key is never shown again; rotate the key when it is lost.',
  words: ['key-id'],
  flags: { json: { help: 'print it as JSON' } },
  run: (context) =>
    withStore(context, async ({ store }) => {
      const now = context.clock.now()
      const id = keyIdOf(context)
      const key = await store.eabKeys.find(id)
      if (key === undefined)
        throw new CommandError(`there is no external account key ${id}; \`chancery eab list\` shows what there is`)
      const { count, accounts } = await store.eabKeys.accountsOf(id, ACCOUNTS_SHOWN)
      const shown = describeKey(key, now)
      if (context.on('json')) {
        const made = accounts.map((account) => ({ ...account, createdAt: account.createdAt.toISOString() }))
        context.out(JSON.stringify({ ...shown, accountCount: count, accountsMade: made }, undefined, 2))
        return 0
      }
      const lines: [string, string][] = [
        ['Key id', key.id],
        ['State', stateInWords(key, now)],
        ['Directories', shown.directories.join(', ')],
        ['Label', key.label],
        ['Owner', shown.owner],
        ...Object.entries(shown.attributes).map(([name, value]): [string, string] => ['Attribute', `${name}=${value}`]),
        ['Groups', shown.groups.join(', ')],
        ['Scope', shown.scope === null ? 'any rule' : shown.scope.join(', ')],
        ['Uses', `${shown.uses.made} of ${shown.uses.allowed}`],
        ['Made', shown.createdAt],
        ['Accounts', shown.accountsEndAt === null ? 'go on' : `stop ${shown.accountsEndAt}`],
        ...accounts.map(({ id, directory }): [string, string] => ['Account', `${id} in ${directory}`]),
        ...(count > accounts.length ? [['', `and ${count - accounts.length} more`] as [string, string]] : []),
        ...(shown.lineage === key.id ? [] : [['Succeeds', shown.lineage] as [string, string]]),
      ]
      for (const [name, value] of lines) if (value !== '') context.out(`${`${name}:`.padEnd(13)}${value}`.trimEnd())
      return 0
    }),
}
