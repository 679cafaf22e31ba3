import type { EabKeyRecord } from '../store/records.ts'

/** What is noted of the holder of a key, as far as it is text from outside. */
export type KeyFacts = Pick<
  EabKeyRecord,
  'label' | 'owner' | 'attributes' | 'groups' | 'scope' | 'directories' | 'maxUses'
>

const MAX_ATTRIBUTES = 50
const MAX_ATTRIBUTE_NAME = 100
const MAX_ATTRIBUTE_VALUE = 500
const MAX_GROUPS = 50
const MAX_SCOPE = 200
const MAX_NOTE = 200
/** More accounts than that of one key are better made with `unlimited`. */
const MAX_USES = 1_000_000

/** Begins with a letter, so that no name of an attribute means anything to a spreadsheet, a flag or an object. */
const NAME = /^[A-Za-z][A-Za-z0-9_.-]*$/
const GROUP = /^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,99}$/
/** Control, format, private and unassigned characters, and halves of pairs: they are shown in terminals. */
const UNSEEN = /\p{C}|\p{Zl}|\p{Zp}/u

/**
 * What is wrong with the facts of a key; empty when nothing is. Values are kept as they are, pattern characters too:
 * whoever puts one into a name escapes it (KF-C10).
 *
 * @param known the ACME directories there are
 */
export function faultsOf(facts: Partial<KeyFacts>, known: readonly string[]): string[] {
  return [
    ...noteFaults('label', facts.label ?? ''),
    ...noteFaults('owner', facts.owner ?? ''),
    ...attributeFaults(facts.attributes ?? {}),
    ...listFaults('groups', facts.groups ?? [], MAX_GROUPS),
    ...listFaults('scope', facts.scope ?? [], MAX_SCOPE),
    ...(facts.directories ?? [])
      .filter((name) => !known.includes(name))
      .map((name) => `there is no directory ${JSON.stringify(name)}; known: ${known.join(', ')}`),
    ...usesFaults(facts.maxUses ?? 1),
  ]
}

/**
 * Reads `name=value` pairs.
 *
 * @returns the attributes, or what is wrong with the pairs
 */
export function readPairs(pairs: readonly string[]): { attributes: Record<string, string> } | { fault: string } {
  const attributes = new Map<string, string>()
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at < 1) return { fault: `${JSON.stringify(pair)} is not name=value` }
    const name = pair.slice(0, at)
    if (attributes.has(name)) return { fault: `the attribute ${name} was given twice` }
    attributes.set(name, pair.slice(at + 1))
  }
  return { attributes: Object.fromEntries(attributes) }
}

/** A count of accounts, or `unlimited`; undefined for anything else. */
export function readUses(text: string): number | 'unlimited' | undefined {
  if (text === 'unlimited') return text
  return /^[1-9]\d{0,6}$/.test(text) ? Number(text) : undefined
}

function noteFaults(what: string, text: string): string[] {
  if (text.length <= MAX_NOTE && !UNSEEN.test(text)) return []
  return [`the ${what} takes at most ${MAX_NOTE} characters, without control characters`]
}

function attributeFaults(attributes: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(attributes)
  const faults = entries.flatMap(([name, value]) => [
    ...(name.length <= MAX_ATTRIBUTE_NAME && NAME.test(name)
      ? []
      : [
          `an attribute is named by at most ${MAX_ATTRIBUTE_NAME} letters, digits, "_", "." and "-", a letter first, and not ${JSON.stringify(name.slice(0, MAX_ATTRIBUTE_NAME))}`,
        ]),
    ...(value !== '' && value.length <= MAX_ATTRIBUTE_VALUE && !UNSEEN.test(value) && value.trim() === value
      ? []
      : [
          `the attribute ${JSON.stringify(name.slice(0, MAX_ATTRIBUTE_NAME))} takes 1 to ${MAX_ATTRIBUTE_VALUE} characters, without control characters or white space at its ends`,
        ]),
  ])
  return entries.length <= MAX_ATTRIBUTES ? faults : [...faults, `a key has at most ${MAX_ATTRIBUTES} attributes`]
}

function listFaults(what: 'groups' | 'scope', names: readonly string[], most: number): string[] {
  const one = what === 'groups' ? 'a group' : 'a rule of the scope'
  return [
    ...names
      .filter((name) => !GROUP.test(name))
      .map(
        (name) =>
          `${one} is named by at most 100 letters, digits and "_.:/@-", and not ${JSON.stringify(name.slice(0, 100))}`,
      ),
    ...(names.length > most ? [`${what} are at most ${most}`] : []),
    ...(new Set(names).size < names.length ? [`${what} are named twice`] : []),
  ]
}

function usesFaults(uses: number | 'unlimited'): string[] {
  if (uses === 'unlimited' || (Number.isSafeInteger(uses) && uses >= 1 && uses <= MAX_USES)) return []
  return [`a key is good for 1 to ${MAX_USES} accounts, or unlimited`]
}
