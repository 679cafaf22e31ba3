import { encodeBase64url } from '../lib/base64url.ts'
import { parseCsv, renderCsv } from '../lib/csv.ts'
import { directoriesOf } from '../store/eab-key.ts'
import type { EabKeyRecord } from '../store/records.ts'
import { type KeyDefinition, MEMBERS, type RawEntry, readDefinition } from './definition.ts'
import { earliest, renderEnd } from './ends.ts'

export type FileFormat = 'csv' | 'json'

/** What is wrong with an entry, and where it stands: its line in CSV, its number in JSON. */
export interface EntryFault {
  readonly where: string
  readonly fault: string
}

/** More are made in several files; each is one transaction. */
export const MAX_ENTRIES = 20_000

const ATTRIBUTE = 'attribute.'
const COLUMNS: readonly string[] = MEMBERS.filter((name) => name !== 'attributes')
const LISTS: readonly string[] = ['directories', 'groups', 'scope']

/**
 * Reads a file of keys: a table with a header, or a JSON array of objects. Every fault is told, with its place.
 *
 * @param known the ACME directories there are
 */
export function readKeyFile(
  text: string,
  format: FileFormat,
  context: { readonly now: Date; readonly known: readonly string[] },
): { definitions: KeyDefinition[] } | { faults: EntryFault[] } {
  const entries = format === 'csv' ? csvEntries(text) : jsonEntries(text)
  if ('faults' in entries) return entries
  if (entries.length > MAX_ENTRIES)
    return { faults: [{ where: 'file', fault: `it has ${entries.length} keys; split it by ${MAX_ENTRIES}` }] }
  const definitions: KeyDefinition[] = []
  const faults: EntryFault[] = []
  const places = new Map<string, string>()
  for (const { where, entry } of entries) {
    const read = readDefinition(entry, context)
    if ('faults' in read) {
      faults.push(...read.faults.map((fault) => ({ where, fault })))
      continue
    }
    const { id } = read.definition
    const before = id === undefined ? undefined : places.get(id)
    if (before !== undefined) faults.push({ where, fault: `it has the id of ${before}` })
    if (id !== undefined) places.set(id, where)
    definitions.push(read.definition)
  }
  return faults.length > 0 ? { faults } : { definitions }
}

/** Writes keys so that `readKeyFile` reads them again. With secrets only those that are given; nothing else is shown. */
export function renderKeyFile(
  keys: readonly { readonly key: EabKeyRecord; readonly macKey?: Buffer }[],
  format: FileFormat,
): string {
  const entries = keys.map(({ key, macKey }) => entryOf(key, macKey))
  if (format === 'json') return `${JSON.stringify(entries, undefined, 2)}\n`
  const attributes = [...new Set(entries.flatMap((entry) => Object.keys(entry.attributes)))].sort()
  const columns = COLUMNS.filter((name) => name !== 'macKey' || entries.some(({ macKey }) => macKey !== undefined))
  return renderCsv([
    [...columns, ...attributes.map((name) => ATTRIBUTE + name)],
    ...entries.map((entry) => [
      ...columns.map((name) => cellOf((entry as RawEntry)[name as keyof RawEntry])),
      ...attributes.map((name) => (Object.hasOwn(entry.attributes, name) ? (entry.attributes[name] ?? '') : '')),
    ]),
  ])
}

function entryOf(key: EabKeyRecord, macKey: Buffer | undefined) {
  return {
    id: key.id,
    label: key.label,
    owner: key.owner ?? '',
    directories: directoriesOf(key),
    groups: key.groups ?? [],
    ...(key.scope && { scope: key.scope }),
    uses: String(key.maxUses ?? 1),
    // There is one end for both in a file; the later would let a key make accounts again that was told to make no more.
    expires: renderEnd(earliest(key.accountsEndAt, key.expiresAt)),
    keepAccounts: key.accountsEndAt === undefined,
    attributes: key.attributes ?? {},
    ...(macKey && { macKey: encodeBase64url(macKey) }),
  }
}

function cellOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(';')
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'string' ? value : ''
}

type Entries = { readonly where: string; readonly entry: RawEntry }[] | { readonly faults: EntryFault[] }

function csvEntries(text: string): Entries {
  const parsed = parseCsv(text)
  if ('fault' in parsed) return { faults: [{ where: `line ${parsed.line}`, fault: parsed.fault }] }
  const [header, ...rows] = parsed.rows
  if (header === undefined) return { faults: [{ where: 'line 1', fault: 'there is no header' }] }
  const unknown = header.cells.filter(
    (name, at) =>
      !(COLUMNS.includes(name) || (name.startsWith(ATTRIBUTE) && name !== ATTRIBUTE)) ||
      header.cells.indexOf(name) !== at,
  )
  if (unknown.length > 0) {
    const names = [...COLUMNS, `${ATTRIBUTE}NAME`].join(', ')
    const fault = `the column ${JSON.stringify(unknown[0]?.slice(0, 100))} is unknown or there twice; columns are ${names}`
    return { faults: [{ where: 'line 1', fault }] }
  }
  const uneven = rows.filter(({ cells }) => cells.length !== header.cells.length)
  if (uneven.length > 0) {
    const fault = (cells: number) => `it has ${cells} cells, and the header has ${header.cells.length}`
    return { faults: uneven.map(({ line, cells }) => ({ where: `line ${line}`, fault: fault(cells.length) })) }
  }
  return rows.map(({ line, cells }) => ({ where: `line ${line}`, entry: csvEntry(header.cells, cells) }))
}

/** An empty cell says nothing. */
function csvEntry(columns: readonly string[], cells: readonly string[]): RawEntry {
  const named = columns.map((name, at): [string, string] => [name, cells[at] ?? '']).filter(([, cell]) => cell !== '')
  return {
    ...Object.fromEntries(
      named
        .filter(([name]) => !name.startsWith(ATTRIBUTE))
        .map(([name, cell]) => [name, LISTS.includes(name) ? cell.split(';') : cell]),
    ),
    attributes: Object.fromEntries(
      named.filter(([name]) => name.startsWith(ATTRIBUTE)).map(([name, cell]) => [name.slice(ATTRIBUTE.length), cell]),
    ),
  }
}

function jsonEntries(text: string): Entries {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own words may quote the file, and with it a secret.
    return { faults: [{ where: 'file', fault: 'it is not JSON' }] }
  }
  if (!Array.isArray(value)) return { faults: [{ where: 'file', fault: 'it is not an array of keys' }] }
  const faults: EntryFault[] = []
  const entries = value.map((entry: unknown, index) => {
    const where = `key ${index + 1}`
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
      faults.push({ where, fault: 'it is not an object' })
    else {
      for (const name of Object.keys(entry)) {
        if (!(MEMBERS as readonly string[]).includes(name))
          faults.push({
            where,
            fault: `the member ${JSON.stringify(name.slice(0, 100))} is unknown; members are ${MEMBERS.join(', ')}`,
          })
      }
    }
    return { where, entry: entry as RawEntry }
  })
  return faults.length > 0 ? { faults } : entries
}
