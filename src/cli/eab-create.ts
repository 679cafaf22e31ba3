import { endsOf } from '../external-accounts/ends.ts'
import { createdEvent } from '../external-accounts/lineage.ts'
import { makeSecret } from '../external-accounts/make-key.ts'
import type { EabKeyRecord } from '../store/records.ts'
import type { Command } from './command.ts'
import { FACT_FLAGS, readEndFlag, readFacts } from './eab-flags.ts'
import { handOut } from './eab-handout.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  details: 'The key is shown once and kept encrypted. Works while the server runs.',
  flags: {
    ...FACT_FLAGS,
    expires: {
      value: 'TIME',
      help: 'when it ends and stops its accounts: 24h, 30d, an instant, or never (default: 7d, and accounts go on)',
    },
    'keep-accounts': { help: 'let the accounts go on when it has expired' },
  },
  run: (context) =>
    withStore(context, async ({ config, store, wrappedKeys }) => {
      const facts = readFacts(context, Object.keys(config.directories))
      const { directories = ['default'], label = '', ...others } = facts
      const now = context.clock.now()
      const ends = endsOf({ end: readEndFlag(context, 'expires'), keepAccounts: context.on('keep-accounts') }, now)
      const { macKey, ...secret } = makeSecret({ random: context.random, wrappedKeys }, now)
      const key: EabKeyRecord = {
        ...secret,
        ...others,
        label,
        directory: directories[0] ?? 'default',
        ...(directories.length > 1 && { directories }),
        createdAt: now,
        ...ends,
      }
      await store.eabKeys.create(key, createdEvent(key))
      handOut(context, config, key, macKey)
      return 0
    }),
}
