import type { RecordCache, Wanted, WriteMemory } from '../sql/record-cache.ts'
import type { Statements } from './connection.ts'
import { freezeAndWeigh } from './freeze-and-weigh.ts'
import { tellChanges } from './row-changes.ts'

/** Under so many keys records are remembered, and of so many bytes; those longest known go first. */
const MAX_KEYS = 4096
/** An order of a hundred names has a hundred times the size of one: the usual ones alone stay far below this. */
const MAX_BYTES = 16 * 1024 * 1024
/** What it costs to find a record by a key, and to forget it by a row. */
const KEY_BYTES = 128
const ROW_BYTES = 384

/** Changes when another connection committed, and not for this connection's own commits. */
const DATA_VERSION = 'PRAGMA data_version'

interface Entry {
  readonly keys: readonly string[]
  readonly record: object
  readonly madeOf: readonly string[]
  readonly bytes: number
}

/**
 * Remembers records for the server that holds the database. What the server itself writes is heard row by row (see
 * `tellChanges`); after a commit of any other process, such as an operator's command, everything is read anew.
 *
 * While a transaction is open, what it changes is forgotten at once and again after its end: a read beside it may have
 * brought the state before. A record that a write leaves is remembered after its commit, if no row of it changed between
 * the two, in the same transaction or since.
 */
export class SqliteRecordCache implements RecordCache {
  readonly #sql: Statements
  readonly #isWriterWell: () => boolean
  readonly #entries = new Map<string, Entry>()
  readonly #madeOf = new Map<string, Set<Entry>>()
  #bytes = 0
  /** The rows that the open transaction changed, and those of the one before it, each with the moment of its last change. */
  #changed = new Map<string, number>()
  #changedBefore = new Map<string, number>()
  /** Transactions ended, and commits of others noticed. */
  #ended = 0
  /** Another number whenever something was forgotten. */
  #moment = 0
  #dataVersion: unknown

  constructor(sql: Statements, { isWriterWell }: { readonly isWriterWell: () => boolean }) {
    this.#sql = sql
    this.#isWriterWell = isWriterWell
    this.#dataVersion = this.#readVersion()
    tellChanges(sql.connection, (row) => {
      this.#forget(row)
      this.#changed.set(row, this.#moment)
    })
  }

  async find<Found extends object>({ key, suits, read, keysOf, madeOf }: Wanted<Found>): Promise<Found | undefined> {
    const known = this.#entries.get(key)?.record as Found | undefined
    if (known !== undefined && this.#isCurrent() && suits(known)) return known
    const moment = this.#moment
    const found = await read()
    // What changed meanwhile may be of before the change.
    if (found !== undefined && moment === this.#moment) this.#keep(keysOf(found), found, madeOf(found))
    return found
  }

  write(): WriteMemory {
    const ended = this.#ended
    return {
      isCurrent: (key, record) => {
        const entry = this.#entries.get(key)
        // What the open transaction changed may have been read anew beside it, as it was before.
        return entry?.record === record && !entry.madeOf.some((row) => this.#changed.has(row))
      },
      leave: (record, { keysOf, madeOf }) => {
        const rows = madeOf(record)
        const moment = this.#moment
        const isUnchanged = (row: string): boolean =>
          !this.#changed.has(row) && (this.#changedBefore.get(row) ?? 0) <= moment
        // A commit of another process that nobody noticed yet ends this entry with all others, when it is noticed.
        return () => {
          if (this.#ended === ended + 1 && rows.every(isUnchanged)) this.#keep(keysOf(record), record, rows)
        }
      },
    }
  }

  /** To be called when a transaction was committed or rolled back, before anybody hears of it. */
  transactionEnded(): void {
    for (const row of this.#changed.keys()) this.#forget(row)
    this.#changedBefore = this.#changed
    this.#changed = new Map()
    this.#ended += 1
  }

  /** Whether nobody else wrote since the last look, and the connection is to be believed. */
  #isCurrent(): boolean {
    const version = this.#isWriterWell() ? this.#readVersion() : undefined
    if (version !== undefined && version === this.#dataVersion) return true
    this.#dataVersion = version
    this.#moment += 1
    this.#ended += 1
    this.#entries.clear()
    this.#madeOf.clear()
    this.#bytes = 0
    return false
  }

  #readVersion(): unknown {
    try {
      return this.#sql.first<{ data_version: number }>(DATA_VERSION, [])?.data_version
    } catch {
      // Whoever reads the record itself learns what is wrong.
      return undefined
    }
  }

  #keep(keys: readonly string[], record: object, madeOf: readonly string[]): void {
    for (const key of keys) {
      const before = this.#entries.get(key)
      if (before !== undefined) this.#drop(before)
    }
    const bytes = freezeAndWeigh(record) + keys.length * KEY_BYTES + madeOf.length * ROW_BYTES
    if (bytes > MAX_BYTES) return
    for (const [, oldest] of this.#entries) {
      if (this.#entries.size + keys.length <= MAX_KEYS && this.#bytes + bytes <= MAX_BYTES) break
      this.#drop(oldest)
    }
    const entry = { keys, record, madeOf, bytes }
    this.#bytes += bytes
    for (const key of keys) this.#entries.set(key, entry)
    for (const row of madeOf) {
      const entries = this.#madeOf.get(row)
      if (entries === undefined) this.#madeOf.set(row, new Set([entry]))
      else entries.add(entry)
    }
  }

  #forget(row: string): void {
    this.#moment += 1
    for (const entry of this.#madeOf.get(row) ?? []) this.#drop(entry)
  }

  #drop(entry: Entry): void {
    this.#bytes -= entry.bytes
    for (const key of entry.keys) this.#entries.delete(key)
    for (const row of entry.madeOf) {
      const entries = this.#madeOf.get(row)
      entries?.delete(entry)
      if (entries?.size === 0) this.#madeOf.delete(row)
    }
  }
}
