import { parseDuration } from '../config/duration.ts'
import { readPolicyInUse } from '../explain/policy-in-use.ts'
import { type Difference, type Replay, replay } from '../explain/replay.ts'
import { printable, printableJson } from '../lib/printable.ts'
import { type Command, type CommandContext, UsageError } from './command.ts'
import { withStoreOnly } from './store-access.ts'

const DEFAULT_SINCE = '30d'
const DEFAULT_SHOWN = 100
const MAX_SHOWN = 1_000_000

export const command: Command = {
  details:
    'Asks another policy what was asked in the past, with the facts of that time: who, names, key, proofs, attributes.\n' +
    'Orders that were allowed are looked at as they stood before the signature. Limits on how often a name may be\n' +
    'certified are left out. Exit code 0: nothing would have been decided differently; 1: something would.',
  flags: {
    since: { value: 'TIME', help: `how far back, such as 30d, or an instant (default: ${DEFAULT_SINCE})` },
    with: { value: 'FILE', help: 'the file of rules to try; without it the policy in the configuration is asked' },
    count: { value: 'N', help: `show at most so many differences; default ${DEFAULT_SHOWN}` },
    json: { help: 'print counts and differences as one JSON object' },
  },
  run: async (context) => {
    const limit = Number(context.text('count') ?? DEFAULT_SHOWN)
    if (!Number.isInteger(limit) || limit < 0 || limit > MAX_SHOWN)
      throw new UsageError(`--count must be 0 to ${MAX_SHOWN}`)
    const since = readSince(context)
    return withStoreOnly(context, async ({ config, store }) => {
      const file = context.text('with')
      const now = context.clock.now()
      const policy = await readPolicyInUse(config, { file: file && context.path(file), now })
      const kept = now.getTime() - config.retention.decisions * 1000
      if (since.getTime() < kept)
        context.err(`Decisions of before ${new Date(kept).toISOString()} are not kept any more (retention.decisions).`)
      const shown: Difference[] = []
      const counts = await replay(store.decisions, {
        since,
        policy,
        found: (one) => {
          if (shown.length < limit) shown.push(one)
        },
      })
      if (context.on('json')) context.out(printableJson({ since, policy: policy.name, counts, differences: shown }))
      else for (const line of report(counts, shown, { since, name: policy.name })) context.out(printable(line))
      return counts.decisions === counts.same && counts.unreadable === 0 ? 0 : 1
    })
  },
}

function readSince(context: CommandContext): Date {
  const text = context.text('since') ?? DEFAULT_SINCE
  const instant = new Date(text)
  if (/^\d{4}-/.test(text) && !Number.isNaN(instant.getTime())) return instant
  return new Date(context.clock.now().getTime() - parseDuration(text, '--since') * 1000)
}

const WORDS = {
  refused: 'would be REFUSED',
  shortened: 'would be shorter',
  allowed: 'would be allowed',
} as const satisfies Record<Difference['change'], string>

function report(
  counts: Replay,
  shown: readonly Difference[],
  { since, name }: { readonly since: Date; readonly name: string },
): string[] {
  const { decisions, same, refused, shortened, allowed, skipped, unreadable, oftenNotJudged } = counts
  const left = refused + shortened + allowed - shown.length
  return [
    ...shown.flatMap(differenceLines),
    ...(left > 0 ? [`… and ${left} more; --count shows more of them`] : []),
    `${decisions} decisions since ${since.toISOString()}, asked again of ${name}: ${same} the same, ${refused} would be ` +
      `refused, ${shortened} would be shorter, ${allowed} would be allowed`,
    ...(skipped > 0
      ? [
          `${skipped} left out: of the server itself, of directories that are gone, or refused for reasons other than rules`,
        ]
      : []),
    ...(oftenNotJudged > 0
      ? [
          `${oftenNotJudged} of them would be allowed by rules with \`often\`; whether it would have been too often was not judged`,
        ]
      : []),
    ...(unreadable > 0 ? [`${unreadable} cannot be read; restore those rows from a backup`] : []),
  ]
}

function differenceLines(one: Difference): string[] {
  const who = one.requester.kind === 'account' ? one.requester.accountId : 'the server'
  const ids = [one.orderId, one.reference].filter((id) => id !== undefined).join(' ')
  const what =
    one.change === 'shortened'
      ? `${one.lifetimeSeconds} s`
      : [...new Set(one.reasons.map(({ rule, detail }) => `rule ${rule}: ${detail}`))].join('; ')
  const early = one.stage === 'order' ? ' as an order' : ''
  return [
    `${WORDS[one.change]}${early}  ${one.at.toISOString()}  ${who}  ${one.names.join(', ')}  ${ids}`,
    `    ${what}`,
  ]
}
