import { type Command, CommandError } from './command.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  details:
    'For after a clock that was ahead by mistake: the server then refuses to sign, because the time seems to have gone back. ' +
    'Be sure that the clock is right now, and restart the server afterwards.',
  flags: { yes: { help: 'the clock of this machine is right; do it' } },
  run: (context) =>
    withStore(context, async ({ store }) => {
      const now = context.clock.now()
      const seen = await store.clock.newestSeen()
      context.out(`This machine's clock: ${now.toISOString()}`)
      context.out(`Newest the store saw: ${seen?.toISOString() ?? 'nothing yet'}`)
      if (seen === undefined || seen <= now) {
        context.out('The clock is not behind; there is nothing to accept.')
        return 0
      }
      if (!context.on('yes')) throw new CommandError('if the clock is right now, say so with --yes')
      await store.clock.accept(now, {
        at: now,
        event: 'clock.accepted',
        data: { newestSeen: seen.toISOString(), by: 'cli' },
      })
      context.out('The later time is forgotten, and what was proved under it has ended. Restart the server.')
      return 0
    }),
}
