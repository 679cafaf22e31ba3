import { type Command, CommandError } from './command.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  details:
    'Ends a pause, or gives a requester its whole burst again. A running server may refuse for up to five seconds more.',
  words: ['key'],
  run: (context) =>
    withStore(context, async ({ store }) => {
      const key = context.words[0] ?? ''
      const at = context.clock.now()
      const cleared = await store.limits.clear(key, { at, event: 'limit.cleared', data: { key, by: 'cli' } })
      if (!cleared) throw new CommandError('there is no such key; `chancery limits list` shows what there is')
      context.out(`${key} is cleared.`)
      return 0
    }),
}
