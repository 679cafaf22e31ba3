import type { Requester } from '../decision.ts'
import type { RuleSource } from './schema.ts'

/**
 * Whom a rule is for, as tokens: it fits a requester that has one token of each set. The sets stand from the one that
 * picks out the fewest to the one that picks out the most, so that the first is the one to look rules up by.
 */
export type Selector = readonly (readonly string[])[]

/** What is known of whoever asks, as tokens. */
export function requesterTokens(requester: Requester): ReadonlySet<string> {
  if (requester.kind !== 'account') return new Set()
  const { accountId, directory, externalKey } = requester
  return new Set([
    `account ${accountId}`,
    `directory ${directory}`,
    ...(externalKey === undefined
      ? []
      : [
          `key ${externalKey.id}`,
          ...externalKey.groups.map((group) => `group ${group}`),
          ...Object.entries(externalKey.attributes).map(([name, value]) => attributeToken(name, value)),
        ]),
  ])
}

export function compileSelector(source: NonNullable<RuleSource['for']>): Selector {
  const sets = [
    source.accounts?.map((id) => `account ${id}`),
    source.externalKeys?.map((id) => `key ${id}`),
    ...Object.entries(source.attributes ?? {}).map(([name, values]) =>
      values.map((value) => attributeToken(name, value)),
    ),
    source.groups?.map((group) => `group ${group}`),
    source.directories?.map((name) => `directory ${name}`),
  ]
  return sets.filter((set): set is string[] => set !== undefined)
}

export function fitsSelector(selector: Selector, tokens: ReadonlySet<string>): boolean {
  return selector.every((set) => set.some((token) => tokens.has(token)))
}

/** As JSON, so that no value can be made to look like another attribute (KF-C10). */
function attributeToken(name: string, value: string): string {
  return `attribute ${JSON.stringify([name, value])}`
}
