import { nearest } from '../config/nearest.ts'
import { readEnd } from '../external-accounts/ends.ts'
import { faultsOf, type KeyFacts, readPairs, readUses } from '../external-accounts/facts.ts'
import { type CommandContext, type Flag, UsageError } from './command.ts'

/** What can be noted of a key when it is made and later. */
export const FACT_FLAGS: Readonly<Record<string, Flag>> = {
  directory: {
    value: 'NAME',
    repeatable: true,
    help: 'an ACME directory in which it opens accounts (default: default)',
  },
  label: { value: 'TEXT', help: 'a note on who gets it' },
  owner: { value: 'TEXT', help: 'whom to ask about it' },
  attribute: {
    value: 'NAME=VALUE',
    repeatable: true,
    help: 'something that policy and profiles may know of the holder',
  },
  group: { value: 'NAME', repeatable: true, help: 'a group that rules may be for' },
  scope: {
    value: 'RULE',
    repeatable: true,
    help: 'a rule of the policy file that may speak for its accounts; no other may then',
  },
  uses: { value: 'N', help: 'how many accounts it may make, or `unlimited` (default: 1)' },
}

/**
 * The facts that were given by flags; absent where none was.
 *
 * @throws {UsageError}
 */
export function readFacts(context: CommandContext, known: readonly string[]): Partial<KeyFacts> {
  const pairs = readPairs(context.list('attribute'))
  if ('fault' in pairs) throw new UsageError(`--attribute: ${pairs.fault}`)
  const given = (flag: string): readonly string[] | undefined => {
    const list = [...new Set(context.list(flag))]
    return list.length === 0 ? undefined : list
  }
  const [directories, groups, scope] = [given('directory'), given('group'), given('scope')]
  for (const name of directories ?? []) checkDirectory(name, known)
  const uses = context.text('uses')
  const maxUses = uses === undefined ? undefined : readUses(uses)
  if (uses !== undefined && maxUses === undefined) throw new UsageError('--uses takes a number from 1, or unlimited')
  const [label, owner] = [context.text('label'), context.text('owner')]
  const facts: Partial<KeyFacts> = {
    ...(label !== undefined && { label }),
    ...(owner !== undefined && { owner }),
    ...(directories && { directories }),
    ...(groups && { groups }),
    ...(scope && { scope }),
    ...(context.list('attribute').length > 0 && { attributes: pairs.attributes }),
    ...(maxUses !== undefined && { maxUses }),
  }
  const faults = faultsOf(facts, known)
  if (faults.length > 0) throw new UsageError(faults.join('; '))
  return facts
}

/** The end that a flag gives, which must lie ahead; undefined without the flag. @throws {UsageError | ConfigError} */
export function readEndFlag(context: CommandContext, flag: string): Date | undefined {
  const text = context.text(flag)
  if (text === undefined) return undefined
  const now = context.clock.now()
  const end = readEnd(text, now, `--${flag}`)
  if (end <= now) throw new UsageError(`--${flag}: ${text} is past`)
  return end
}

/** @throws {UsageError} */
export function checkDirectory(name: string, known: readonly string[]): void {
  if (known.includes(name)) return
  const near = nearest(name, known)
  throw new UsageError(
    `there is no directory ${name}; ${near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`}`,
  )
}
