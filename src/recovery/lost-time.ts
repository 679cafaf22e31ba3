import { stat } from 'node:fs/promises'
import type { Change, HistoryStore, Lineage } from '../store/history.ts'
import { MOST_HOLES } from './hole-watch.ts'
import { LogError } from './log-error.ts'
import { readLog } from './log-files.ts'
import type { Mark } from './log-records.ts'

/** What a log says of the time after a database was copied. */
export interface LostTime {
  readonly folder: string
  /** True when the log holds everything that happened after the copy, up to where it ends. */
  readonly isComplete: boolean
  /** When the log was last written. */
  readonly lastWrittenAt: Date
  /** Bytes at its end that a crash cut off; nothing that was confirmed is in them. */
  readonly tornBytes: number
  /** In the order in which they were written, a file of the log at a time. */
  changes(): AsyncGenerator<readonly Change[], void, undefined>
}

/** A row of files that tell of one life of the database. */
interface Span {
  readonly lineage: string
  readonly firstFile: number
  readonly lastFile: number
  /** At least one: where it begins. */
  readonly marks: readonly (Mark & { readonly file: number })[]
}

/**
 * Finds what a log knows and a store, which holds an older state of the same CA, does not.
 *
 * @throws {LogError} when the log is absent, damaged, or of another database
 */
export async function readLostTime(folder: string, history: HistoryStore): Promise<LostTime> {
  const { spans, tornBytes, lastPath } = await readSpans(folder)
  // A restore that did not finish has begun a life of which no log can know.
  const lived = (await history.lineages()).filter(({ finishedAt }) => finishedAt !== undefined)
  const shared = spans.findLast((span) => lived.some(({ lineage }) => lineage === span.lineage))
  if (shared === undefined) {
    throw new LogError(
      `${folder} is the log of another database: it has nothing in common with this one. Give the log of this CA, or none`,
    )
  }
  const branch = await lastShared(shared.marks, history)
  const missing = await missingBefore(branch.id, history)
  const first = Math.min(...missing)
  // A late event was written after a mark that is before it.
  const from = shared.marks.findLast(({ id }) => id < first)?.file ?? shared.firstFile
  return {
    folder,
    isComplete: await coversAllAfter(shared, shared === spans.at(-1), lived, history),
    lastWrittenAt: (await stat(lastPath)).mtime,
    tornBytes,
    async *changes() {
      for await (const { file, records } of readLog(folder, { from: Math.min(from, branch.file) })) {
        const isShared = file.number >= shared.firstFile && file.number <= shared.lastFile
        yield records.filter((record): record is Change => {
          if (record.kind === 'segment' || record.kind === 'mark') return false
          return !isShared || record.id > branch.id || missing.has(record.id)
        })
      }
    },
  }
}

/**
 * Numbers of events that the store lacks below one that it has. A copy of PostgreSQL lacks what was not committed yet
 * when it was made, also where an event of a greater number was.
 */
async function missingBefore(id: number, history: HistoryStore): Promise<ReadonlySet<number>> {
  const oldest = (await history.oldestId()) ?? 1
  const after = Math.max(id - MOST_HOLES, oldest - 1, 0)
  const missing = new Set<number>()
  if (after >= id) return missing
  const { ids } = await history.changes({ after, upTo: id, limit: MOST_HOLES })
  let next = after + 1
  for (const known of ids ?? []) for (; next <= known; next++) if (next < known) missing.add(next)
  return missing
}

async function readSpans(folder: string) {
  const spans: (Span & { lastFile: number; marks: (Mark & { file: number })[] })[] = []
  let tornBytes = 0
  let lastPath = ''
  for await (const { file, header, records, tornBytes: torn } of readLog(folder, { marksOnly: true })) {
    let span = spans.at(-1)
    if (span?.lineage !== header.lineage) {
      const start = { ...header.mark, file: file.number }
      span = { lineage: header.lineage, firstFile: file.number, lastFile: file.number, marks: [start] }
      spans.push(span)
    }
    span.lastFile = file.number
    for (const record of records) {
      if (record.kind === 'mark') span.marks.push({ id: record.id, fingerprint: record.fingerprint, file: file.number })
    }
    tornBytes = torn
    lastPath = file.path
  }
  if (spans.length === 0) throw new LogError(`${folder}: there is no log here`)
  return { spans, tornBytes, lastPath }
}

/** Whether nothing that the store lacks can be missing from the log, except what came after its end. */
async function coversAllAfter(
  shared: Span,
  isLast: boolean,
  lived: readonly Lineage[],
  history: HistoryStore,
): Promise<boolean> {
  // Where a restore ended the life that both know, the log must have gone on into the next one; this one did not.
  if (lived.at(-1)?.lineage !== shared.lineage) return false
  const newest = (await history.newest())?.id ?? 0
  const [start, end] = [shared.marks[0], shared.marks.at(-1)]
  if (start === undefined || end === undefined || start.id > newest) return false
  // A log that is behind the copy says nothing of what came after it.
  return !isLast || end.id >= newest
}

/** The last mark at which both histories say the same; they agree up to a point and then never again. */
async function lastShared(
  marks: readonly (Mark & { readonly file: number })[],
  history: HistoryStore,
): Promise<Mark & { readonly file: number }> {
  const [first] = marks
  if (first === undefined) throw new Error('a span of a log has no beginning')
  const oldest = await history.oldestId()
  const agree = async ({ id, fingerprint }: Mark): Promise<boolean> => {
    // Retention removes old events; what was removed was the same.
    if (id === 0 || (oldest !== undefined && id < oldest)) return true
    return (await history.find(id))?.fingerprint === fingerprint
  }
  let low = 0
  let high = marks.length
  while (low < high) {
    const middle = (low + high) >> 1
    const mark = marks[middle]
    if (mark !== undefined && (await agree(mark))) low = middle + 1
    else high = middle
  }
  // Where not even the beginning is shared, everything in it happened after the copy.
  let at = low - 1
  // The first of marks that are alike: with many writers, what came later may be written before the mark moves on.
  while (at > 0 && marks[at - 1]?.id === marks[at]?.id) at--
  return marks[at] ?? { id: 0, fingerprint: '', file: first.file }
}
