import { renderEnd } from '../external-accounts/ends.ts'
import { faultsOf } from '../external-accounts/facts.ts'
import { changeLineage, type KeyUpdate, updating } from '../external-accounts/lineage.ts'
import { directoriesOf } from '../store/eab-key.ts'
import { type Command, CommandError, UsageError } from './command.ts'
import { FACT_FLAGS, readEndFlag, readFacts } from './eab-flags.ts'
import { keyIdOf } from './eab-key-id.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  details:
    'What is not given stays. The accounts made with the key, and with all others of its rotation, have it from their ' +
    'next request on.',
  words: ['key-id'],
  flags: {
    ...FACT_FLAGS,
    'remove-attribute': { value: 'NAME', repeatable: true, help: 'an attribute that goes' },
    'remove-group': { value: 'NAME', repeatable: true, help: 'a group that goes' },
    'any-scope': { help: 'let every rule speak for its accounts again' },
    expires: {
      value: 'TIME',
      help: 'when it ends and stops its accounts; accounts that were stopped come back until then',
    },
    'keep-accounts': { help: 'let the accounts go on when it has expired' },
  },
  run: (context) =>
    withStore(context, async ({ config, store }) => {
      const id = keyIdOf(context)
      const known = Object.keys(config.directories)
      const { attributes, groups, scope, ...facts } = readFacts(context, known)
      if (scope !== undefined && context.on('any-scope'))
        throw new UsageError('--scope and --any-scope contradict each other')
      const expiresAt = readEndFlag(context, 'expires')
      const keepAccounts = context.on('keep-accounts')
      if (keepAccounts && expiresAt === undefined) throw new UsageError('--keep-accounts goes with --expires')
      const update: KeyUpdate = {
        ...facts,
        ...(attributes && { setAttributes: attributes }),
        ...(groups && { addGroups: groups }),
        ...(context.on('any-scope') ? { scope: 'any' } : scope && { scope }),
        ...(context.list('remove-attribute').length > 0 && { removeAttributes: context.list('remove-attribute') }),
        ...(context.list('remove-group').length > 0 && { removeGroups: context.list('remove-group') }),
        ...(expiresAt && { expiresAt }),
      }
      if (Object.keys(update).length === 0)
        throw new UsageError('say what is to change; `chancery eab update --help` lists it')
      const change = updating({ id, now: context.clock.now(), keepAccounts }, update)
      const stored = await changeLineage(store.eabKeys, id, (lineage) => {
        const outcome = change(lineage)
        // Together with what was there it may be too much.
        const faults =
          outcome === undefined || 'refusal' in outcome
            ? []
            : outcome.put.flatMap((key) => faultsOf({ ...key, directories: [] }, known))
        return faults.length === 0 ? outcome : { refusal: [...new Set(faults)].join('; ') }
      })
      if ('refusal' in stored) throw new CommandError(stored.refusal)
      for (const key of stored)
        context.out(`${key.id} is changed: ${directoriesOf(key).join(', ')}, until ${renderEnd(key.expiresAt)}.`)
      return 0
    }),
}
