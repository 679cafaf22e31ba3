import { changeLineage, revoking } from '../external-accounts/lineage.ts'
import { type Command, CommandError } from './command.ts'
import { keyIdOf } from './eab-key-id.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  details:
    'Stops at once the accounts made with the key, and with those before it in its rotation: every request of theirs is ' +
    'refused. Their certificates stay valid until they are revoked or end.',
  words: ['key-id'],
  flags: { 'keep-accounts': { help: 'only keep the key from making more accounts' } },
  run: (context) =>
    withStore(context, async ({ store }) => {
      const id = keyIdOf(context)
      const keepAccounts = context.on('keep-accounts')
      const stored = await changeLineage(store.eabKeys, id, revoking({ id, now: context.clock.now(), keepAccounts }))
      if ('refusal' in stored) throw new CommandError(stored.refusal)
      if (stored.length === 0) throw new CommandError(`${id} was revoked before; nothing changed`)
      for (const key of stored)
        context.out(`${key.id} can no longer be used; its accounts ${keepAccounts ? 'go on' : 'are stopped'}.`)
      return 0
    }),
}
