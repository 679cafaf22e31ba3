import { describeKey, stateInWords } from '../external-accounts/describe.ts'
import { readPairs } from '../external-accounts/facts.ts'
import { directoriesOf, eabKeyState } from '../store/eab-key.ts'
import type { EabKeyRecord } from '../store/records.ts'
import { type Command, type CommandContext, type Flag, UsageError } from './command.ts'
import { withStore } from './store-access.ts'

const STATES: readonly string[] = ['usable', 'used', 'expired', 'revoked']

/** Which keys are meant; those that fit all that was given. */
export const FILTER_FLAGS: Readonly<Record<string, Flag>> = {
  directory: { value: 'NAME', help: 'only those of this directory' },
  group: { value: 'NAME', help: 'only those of this group' },
  attribute: { value: 'NAME=VALUE', repeatable: true, help: 'only those with this attribute' },
  owner: { value: 'TEXT', help: 'only those of this owner' },
  state: { value: 'STATE', help: `only those that are ${STATES.join(', ')}` },
}

export const command: Command = {
  flags: { ...FILTER_FLAGS, json: { help: 'print everything about them as JSON, without secrets' } },
  run: (context) =>
    withStore(context, async ({ store }) => {
      const now = context.clock.now()
      const fits = readFilter(context)
      const keys = (await store.eabKeys.list()).filter(fits)
      if (context.on('json')) {
        context.out(
          JSON.stringify(
            keys.map((key) => describeKey(key, now)),
            undefined,
            2,
          ),
        )
        return 0
      }
      if (keys.length === 0) context.err('There are no such external account keys. Make one with: chancery eab create')
      for (const key of keys) context.out(lineOf(key, now))
      return 0
    }),
}

/** @throws {UsageError} */
export function readFilter(context: CommandContext): (key: EabKeyRecord) => boolean {
  const now = context.clock.now()
  const pairs = readPairs(context.list('attribute'))
  if ('fault' in pairs) throw new UsageError(`--attribute: ${pairs.fault}`)
  const [directory, group, owner, state] = ['directory', 'group', 'owner', 'state'].map((flag) => context.text(flag))
  if (state !== undefined && !STATES.includes(state)) throw new UsageError(`--state takes ${STATES.join(', ')}`)
  return (key) =>
    (directory === undefined || directoriesOf(key).includes(directory)) &&
    (group === undefined || (key.groups ?? []).includes(group)) &&
    (owner === undefined || key.owner === owner) &&
    (state === undefined || eabKeyState(key, now) === state) &&
    Object.entries(pairs.attributes).every(
      ([name, value]) => Object.hasOwn(key.attributes ?? {}, name) && key.attributes?.[name] === value,
    )
}

function lineOf(key: EabKeyRecord, now: Date): string {
  const { accountsEndAt } = key
  const accounts = accountsEndAt !== undefined && now >= accountsEndAt ? 'accounts stopped' : ''
  return [key.id, directoriesOf(key).join(',').padEnd(12), stateInWords(key, now).padEnd(44), key.label, accounts]
    .filter((part, index) => index < 4 || part !== '')
    .join('  ')
    .trimEnd()
}
