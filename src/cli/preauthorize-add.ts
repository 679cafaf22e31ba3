import { baseName, isWildcard, parseIdentifier } from '../lib/identifier.ts'
import { newId } from '../lib/ids.ts'
import { looksLikeIpAddress } from '../lib/ip-address.ts'
import { FOREVER_MS } from '../store/eab-key.ts'
import type { NameGrantRecord } from '../store/records.ts'
import { type Command, UsageError } from './command.ts'
import { readEndFlag } from './eab-flags.ts'
import { HOLDER_FLAGS, readHolder } from './grant-holder.ts'
import { withStore } from './store-access.ts'

const MAX_NOTE = 200
const UNSEEN = /\p{C}|\p{Zl}|\p{Zp}/u

export const command: Command = {
  details:
    'The holder gets the name without a challenge, as far as policy allows it and takes `pre-authorized` for a proof of ' +
    'it. The name is exact: a name, `*.` and a name for that wildcard alone, or an address.',
  words: ['name'],
  flags: {
    ...HOLDER_FLAGS,
    expires: { value: 'TIME', help: 'until when: 90d or an instant; required' },
    owner: { value: 'TEXT', help: 'who answers for it; required' },
    note: { value: 'TEXT', help: 'why' },
  },
  run: (context) =>
    withStore(context, async ({ config, store }) => {
      const [value = ''] = context.words
      const parsed = parseIdentifier({ type: looksLikeIpAddress(value) ? 'ip' : 'dns', value })
      if (!parsed.ok) throw new UsageError(parsed.detail)
      const { identifier } = parsed
      const holder = await readHolder(context, { config, store })
      if (holder === undefined) throw new UsageError('say who gets it: --account ID or --key ID')
      const expiresAt = readEndFlag(context, 'expires')
      if (expiresAt === undefined || expiresAt.getTime() >= FOREVER_MS)
        throw new UsageError('--expires is needed: a name that is granted has an end, such as 90d')
      const [owner, note] = [context.text('owner') ?? '', context.text('note') ?? '']
      if (owner === '') throw new UsageError('--owner is needed: whom to ask about it')
      if ([owner, note].some((text) => text.length > MAX_NOTE || UNSEEN.test(text)))
        throw new UsageError(`--owner and --note take at most ${MAX_NOTE} characters, without control characters`)
      const now = context.clock.now()
      const grant: NameGrantRecord = {
        id: newId(context.random, 'name-grant', now),
        holder,
        identifier: { type: identifier.type, value: baseName(identifier) },
        wildcard: isWildcard(identifier),
        owner,
        note,
        createdAt: now,
        expiresAt,
      }
      const { id } = grant
      await store.nameGrants.add(
        [grant],
        [
          {
            at: now,
            event: 'name-grant.added',
            ...(holder.startsWith('acc_') && { accountId: holder }),
            data: {
              grantId: id,
              holder,
              identifier: `${identifier.type}:${identifier.value}`,
              owner,
              note,
              expiresAt: expiresAt.toISOString(),
              by: 'cli',
            },
          },
        ],
      )
      context.out(`${id}: ${identifier.value} is granted to ${holder} until ${expiresAt.toISOString()}.`)
      return 0
    }),
}
