/** What is asked for, how to read it, and what of it changes when. */
export interface Wanted<Found extends object> {
  readonly key: string
  /** Whether the asker may have it: what is remembered was perhaps read for another. */
  readonly suits: (found: Found) => boolean
  readonly read: () => Promise<Found | undefined>
  /** All keys that it can be asked for by. */
  readonly keysOf: (found: Found) => readonly string[]
  /** Ids by which changes of the rows it is made of are told (`ROWS` in `sqlite/row-changes.ts`). */
  readonly madeOf: (found: Found) => readonly string[]
}

/** Records as they were read, each for as long as no row that it is made of has changed. Absence is never remembered. */
export interface RecordCache {
  /** The record as it is committed at this moment. */
  find<Found extends object>(wanted: Wanted<Found>): Promise<Found | undefined>
}

/** Where an engine does not hear of every change. */
export const NO_CACHE: RecordCache = { find: ({ read }) => read() }
