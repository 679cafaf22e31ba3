import { endsOf } from '../external-accounts/ends.ts'
import { changeLineage, rotating } from '../external-accounts/lineage.ts'
import { makeSecret } from '../external-accounts/make-key.ts'
import { type Command, CommandError } from './command.ts'
import { readEndFlag } from './eab-flags.ts'
import { handOut } from './eab-handout.ts'
import { keyIdOf } from './eab-key-id.ts'
import { withStore } from './store-access.ts'

const DEFAULT_OVERLAP_MS = 7 * 86_400_000

export const command: Command = {
  details:
    'The successor has the same directories, label, owner, attributes, groups, scope and number of uses. Until the ' +
    'overlap ends both make accounts; the accounts of the old one go on. Rules know both by the id of the first key.',
  words: ['key-id'],
  flags: {
    overlap: { value: 'TIME', help: 'how long the old key still makes accounts (default: 7d)' },
    expires: { value: 'TIME', help: 'as for `eab create` (default: 7d to register, and accounts end as before)' },
    'keep-accounts': { help: 'let the accounts go on when the successor has expired' },
  },
  run: (context) =>
    withStore(context, async ({ config, store, wrappedKeys }) => {
      const id = keyIdOf(context)
      const now = context.clock.now()
      const end = readEndFlag(context, 'expires')
      const ends = endsOf({ end, keepAccounts: context.on('keep-accounts') }, now)
      const { macKey, ...secret } = makeSecret({ random: context.random, wrappedKeys }, now)
      const stored = await changeLineage(
        store.eabKeys,
        id,
        rotating(
          { id, now },
          {
            ...secret,
            expiresAt: ends.expiresAt,
            accountsEndAt: end === undefined && !context.on('keep-accounts') ? 'as before' : ends.accountsEndAt,
            overlapUntil: readEndFlag(context, 'overlap') ?? new Date(now.getTime() + DEFAULT_OVERLAP_MS),
          },
        ),
      )
      if ('refusal' in stored) throw new CommandError(stored.refusal)
      const successor = stored.find((key) => key.id === secret.id)
      const old = stored.find((key) => key.id === id)
      if (successor === undefined || old === undefined) throw new Error('a rotation stored no successor')
      handOut(context, config, successor, macKey)
      context.out('')
      context.out(`${id} still makes accounts until ${old.expiresAt.toISOString()}.`)
      return 0
    }),
}
