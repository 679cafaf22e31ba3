/** By which keys a record is asked for, and what of it changes when. */
export interface Remembered<Found extends object> {
  /** All keys that it can be asked for by. */
  readonly keysOf: (found: Found) => readonly string[]
  /** Ids by which changes of the rows it is made of are told (`ROWS` in `sqlite/row-changes.ts`). */
  readonly madeOf: (found: Found) => readonly string[]
}

/** What is asked for, and how to read it. */
export interface Wanted<Found extends object> extends Remembered<Found> {
  readonly key: string
  /** Whether the asker may have it: what is remembered was perhaps read for another. */
  readonly suits: (found: Found) => boolean
  readonly read: () => Promise<Found | undefined>
}

/** What one write knows of remembered records, from its first statement on. */
export interface WriteMemory {
  /** Whether nothing of this very record, which came from the cache, has changed up to now. */
  isCurrent(key: string, record: object): boolean
  /**
   * Says how a record stands after the statements so far.
   *
   * @returns to be called at once when the write is durable; the record is then remembered, unless it changed once more
   */
  leave<Found extends object>(record: Found, as: Remembered<Found>): () => void
}

/** Records as they were read or written, each for as long as no row that it is made of has changed. Absence is never remembered. */
export interface RecordCache {
  /** The record as it is committed at this moment. */
  find<Found extends object>(wanted: Wanted<Found>): Promise<Found | undefined>
  /** To be called inside a write, before its first statement. */
  write(): WriteMemory
}

/** Where an engine does not hear of every change. */
export const NO_CACHE: RecordCache = {
  find: ({ read }) => read(),
  write: () => ({ isCurrent: () => false, leave: () => () => {} }),
}
