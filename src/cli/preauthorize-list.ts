import type { NameGrantRecord } from '../store/records.ts'
import type { Command } from './command.ts'
import { HOLDER_FLAGS, readHolder } from './grant-holder.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  flags: { ...HOLDER_FLAGS, json: { help: 'print them as JSON' } },
  run: (context) =>
    withStore(context, async ({ config, store }) => {
      const now = context.clock.now()
      const grants = await store.nameGrants.list(await readHolder(context, { config, store }))
      if (context.on('json')) {
        context.out(
          JSON.stringify(
            grants.map((grant) => ({ ...grant, state: stateOf(grant, now) })),
            undefined,
            2,
          ),
        )
        return 0
      }
      if (grants.length === 0) context.err('No names are granted. Grant one with: chancery preauthorize add')
      for (const grant of grants) {
        const { id, holder, identifier, wildcard, expiresAt, owner, note } = grant
        const state = stateOf(grant, now)
        const name = `${wildcard ? '*.' : ''}${identifier.value}`
        const until = `${state === 'revoked' ? `revoked ${grant.revokedAt?.toISOString()}` : `${state === 'expired' ? 'expired' : 'until'} ${expiresAt.toISOString()}`}`
        context.out([id, holder, name, until, owner, note].join('  ').trimEnd())
      }
      return 0
    }),
}

function stateOf({ revokedAt, expiresAt }: NameGrantRecord, now: Date): 'in force' | 'expired' | 'revoked' {
  if (revokedAt !== undefined) return 'revoked'
  return expiresAt <= now ? 'expired' : 'in force'
}
