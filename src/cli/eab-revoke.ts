import { parseId } from '../lib/ids.ts'
import { type Command, CommandError } from './command.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  details: 'An account that was already made with the key goes on; deactivate the account itself to end it.',
  words: ['key-id'],
  run: (context) =>
    withStore(context, async ({ store }) => {
      const id = parseId('eab-key', context.words[0] ?? '')
      const now = context.clock.now()
      const event = { at: now, event: 'eab-key.revoked', data: { keyId: context.words[0], by: 'cli' } }
      const revoked = id !== undefined && (await store.eabKeys.revoke(id, now, event))
      if (!revoked)
        throw new CommandError('there is no such key that could be revoked; `chancery eab list` shows what there is')
      context.out(`${id} can no longer be used.`)
      return 0
    }),
}
