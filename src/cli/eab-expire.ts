import { changeLineage, expiring } from '../external-accounts/lineage.ts'
import { type Command, CommandError } from './command.ts'
import { readEndFlag } from './eab-flags.ts'
import { keyIdOf } from './eab-key-id.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  details:
    'From then on it makes no account, and the accounts made with it, and with those before it in its rotation, are ' +
    'refused. Putting the end off with `eab update --expires` lets them go on.',
  words: ['key-id'],
  flags: {
    at: { value: 'TIME', help: 'when: a length of time from now, or an instant (default: now)' },
    'keep-accounts': { help: 'only keep the key from making more accounts' },
  },
  run: (context) =>
    withStore(context, async ({ store }) => {
      const id = keyIdOf(context)
      const now = context.clock.now()
      const at = readEndFlag(context, 'at') ?? now
      const keepAccounts = context.on('keep-accounts')
      const stored = await changeLineage(store.eabKeys, id, expiring({ id, now, at, keepAccounts }))
      if ('refusal' in stored) throw new CommandError(stored.refusal)
      if (stored.length === 0) throw new CommandError(`${id} ends by then already; nothing changed`)
      for (const key of stored)
        context.out(
          `${key.id} expires ${at.toISOString()}; its accounts ${keepAccounts ? 'go on' : 'are stopped then'}.`,
        )
      return 0
    }),
}
