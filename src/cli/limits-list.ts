import { available } from '../lib/gcra.ts'
import { LIMIT_NAMES, type LimitName } from '../limits/limit-names.ts'
import { parseRate } from '../limits/rate.ts'
import { type Command, UsageError } from './command.ts'
import { withStore } from './store-access.ts'

const DEFAULT_SHOWN = 50

export const command: Command = {
  details:
    'Each line begins with the key that `chancery limits clear` takes. What a running server took in advance counts as used.',
  flags: { count: { value: 'N', help: `at most so many of each kind; default ${DEFAULT_SHOWN}` } },
  run: (context) =>
    withStore(context, async ({ config, store }) => {
      const limit = Number(context.text('count') ?? DEFAULT_SHOWN)
      if (!Number.isInteger(limit) || limit < 1 || limit > 100_000) throw new UsageError('--count must be 1 to 100000')
      const now = context.clock.now()
      const pauses = await store.limits.listPauses({ now, limit })
      for (const { key, failures, pausedUntil } of pauses)
        context.out(`${key}  paused until ${pausedUntil.toISOString()}, ${failures} failed proofs in a row`)
      const used = await store.limits.list({ now, limit })
      for (const { key, tatUs } of used) context.out(`${key}  ${standing(key, tatUs, config.limits, now)}`)
      if (pauses.length + used.length === 0) context.err('No name is paused, and no shared limit is in use.')
      return 0
    }),
}

function standing(key: string, tatUs: number, limits: Readonly<Record<LimitName, string>>, now: Date): string {
  const name = LIMIT_NAMES.find((one) => key.startsWith(`${one}:`))
  const rate = name === undefined ? undefined : parseRate(limits[name])
  const since = `none owed from ${new Date(tatUs / 1000).toISOString()}`
  if (typeof rate !== 'object') return `of a limit that is off; ${since}`
  return `${available(rate, tatUs, now.getTime() * 1000)} of ${rate.burst} left (${rate.text}); ${since}`
}
