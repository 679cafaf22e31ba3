import { decodeBase64url } from '../lib/base64url.ts'
import { type EabKeyId, parseId } from '../lib/ids.ts'
import { endsOf, readEnd } from './ends.ts'
import { faultsOf, type KeyFacts, readUses } from './facts.ts'

/** A key as a file of keys has it. */
export interface KeyDefinition extends KeyFacts {
  /** Made where there is none. */
  readonly id?: EabKeyId
  readonly macKey?: Buffer
  readonly expiresAt: Date
  readonly accountsEndAt?: Date
}

/** What stands in an entry of a file, as text or as JSON gives it. */
export type RawEntry = Readonly<Partial<Record<(typeof MEMBERS)[number], unknown>>>

/** Members of an entry, and but for `attributes` columns of a table, in their order. */
export const MEMBERS = [
  'id',
  'label',
  'owner',
  'directories',
  'groups',
  'scope',
  'uses',
  'expires',
  'keepAccounts',
  'attributes',
  'macKey',
] as const

/** RFC 7518 §3.2: at least as long as the hash; the other bound keeps a file from being mistaken for a key. */
const MAC_KEY_BYTES = { least: 32, most: 128 }

/**
 * Reads one entry. All that is wrong is said at once.
 *
 * @param known the ACME directories there are
 */
export function readDefinition(
  entry: RawEntry,
  context: { readonly now: Date; readonly known: readonly string[] },
): { definition: KeyDefinition } | { faults: string[] } {
  const faults: string[] = []
  const text = (name: keyof RawEntry): string | undefined => {
    const value = entry[name]
    if (value === undefined || value === null || typeof value === 'string') return value ?? undefined
    faults.push(`${name} is not text`)
    return undefined
  }
  const texts = (name: keyof RawEntry): string[] | undefined => {
    const value = entry[name]
    if (value === undefined || value === null) return undefined
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
    faults.push(`${name} is not a list of texts`)
    return undefined
  }
  const id = readId(text('id'), faults)
  const macKey = readMacKey(text('macKey'), faults)
  const [groups, scope, directories = ['default']] = [texts('groups'), texts('scope'), texts('directories')]
  if (directories.length === 0) faults.push('directories is empty')
  const maxUses = readCount(entry.uses, faults)
  const facts: KeyFacts = {
    label: text('label') ?? '',
    ...(entry.owner !== undefined && { owner: text('owner') ?? '' }),
    directories,
    ...(groups && { groups }),
    ...(scope && { scope }),
    attributes: readAttributes(entry.attributes, faults),
    ...(maxUses !== undefined && { maxUses }),
  }
  faults.push(...faultsOf(facts, context.known))
  const ends = readEnds(text('expires'), readYes(entry.keepAccounts, faults), context.now, faults)
  if (faults.length > 0) return { faults }
  return { definition: { ...facts, ...(id && { id }), ...(macKey && { macKey }), ...ends } }
}

function readId(text: string | undefined, faults: string[]): EabKeyId | undefined {
  if (text === undefined || text === '') return undefined
  const id = parseId('eab-key', text)
  if (id === undefined) faults.push('id is none of a key of this server; leave it out, and one is made')
  return id
}

function readMacKey(text: string | undefined, faults: string[]): Buffer | undefined {
  if (text === undefined || text === '') return undefined
  const bytes = decodeBase64url(text)
  // Nothing of it in the message, for that may be shown.
  if (bytes !== undefined && bytes.length >= MAC_KEY_BYTES.least && bytes.length <= MAC_KEY_BYTES.most) return bytes
  faults.push(
    `macKey is not base64url of ${MAC_KEY_BYTES.least} to ${MAC_KEY_BYTES.most} bytes; leave it out, and one is made`,
  )
  return undefined
}

function readCount(value: unknown, faults: string[]): number | 'unlimited' | undefined {
  if (value === undefined || value === null || value === '') return undefined
  const uses = readUses(String(value))
  if (uses === undefined) faults.push('uses is not a number from 1, nor unlimited')
  return uses
}

function readYes(value: unknown, faults: string[]): boolean | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (value === true || value === 'yes' || value === 'true') return true
  if (value === false || value === 'no' || value === 'false') return false
  faults.push('keepAccounts is neither yes nor no')
  return undefined
}

function readAttributes(value: unknown, faults: string[]): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {}
  if (typeof value === 'object' && !Array.isArray(value)) {
    const entries = Object.entries(value)
    if (entries.every((entry): entry is [string, string] => typeof entry[1] === 'string'))
      return Object.fromEntries(entries)
  }
  faults.push('attributes is not a map of texts')
  return {}
}

function readEnds(text: string | undefined, keepAccounts: boolean | undefined, now: Date, faults: string[]) {
  if (text === undefined || text === '') return endsOf({ keepAccounts }, now)
  try {
    const end = readEnd(text, now, 'expires')
    if (end <= now) faults.push(`expires: ${text.slice(0, 40)} is past`)
    return endsOf({ end, keepAccounts }, now)
  } catch {
    faults.push(`expires: ${JSON.stringify(text.slice(0, 40))} is no length of time, no instant, and not never`)
    return endsOf({}, now)
  }
}
