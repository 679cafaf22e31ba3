import type { EabKeyRecord } from '../store/records.ts'
import type { Command } from './command.ts'
import { withStore } from './store-access.ts'

export const command: Command = {
  flags: { directory: { value: 'NAME', help: 'only those of this directory' } },
  run: (context) =>
    withStore(context, async ({ store }) => {
      const keys = await store.eabKeys.list(context.text('directory'))
      if (keys.length === 0) context.err('There are no external account keys. Make one with: chancery eab create')
      for (const key of keys) {
        context.out(
          [key.id, key.directory.padEnd(12), stateOf(key, context.clock.now()).padEnd(44), key.label]
            .join('  ')
            .trimEnd(),
        )
      }
      return 0
    }),
}

function stateOf(key: EabKeyRecord, now: Date): string {
  if (key.revokedAt !== undefined) return `revoked ${key.revokedAt.toISOString()}`
  if (key.usedAt !== undefined) return `used by ${key.usedBy ?? 'a deleted account'}`
  return key.expiresAt <= now ? `expired ${key.expiresAt.toISOString()}` : `usable until ${key.expiresAt.toISOString()}`
}
