import { parseId } from '../lib/ids.ts'
import type { StoredProblem } from '../store/records.ts'
import { type Command, CommandError } from './command.ts'
import { withStore } from './store-access.ts'

const ORDER_ERROR: StoredProblem = {
  type: 'unauthorized',
  detail: 'A name of the order needed no challenge because it was granted, and was taken back; place a new order',
  status: 403,
}

export const command: Command = {
  details: 'Authorizations that came of it end at once, and orders that hold one fail. Certificates stay as they are.',
  words: ['grant-id'],
  run: (context) =>
    withStore(context, async ({ store }) => {
      const [word = ''] = context.words
      const id = parseId('name-grant', word)
      const now = context.clock.now()
      const audit = { at: now, event: 'name-grant.revoked', data: { grantId: id, by: 'cli' } }
      const revoked = id && (await store.nameGrants.revoke(id, { now, error: ORDER_ERROR, audit }))
      if (revoked === undefined)
        throw new CommandError(
          `there is no grant ${JSON.stringify(word.slice(0, 40))}; \`chancery preauthorize list\` shows what there is`,
        )
      if (revoked.outcome === 'already') throw new CommandError(`${id} was revoked before; nothing changed`)
      context.out(`${id} is taken back.`)
      return 0
    }),
}
