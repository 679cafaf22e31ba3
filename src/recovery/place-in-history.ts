import type { HistoryStore } from '../store/history.ts'
import { LogError, OlderDatabaseError } from './log-error.ts'
import type { LogPosition } from './log-writer.ts'

/**
 * Where a log goes on, seen from the store. A store that lacks what the log has seen is an older copy: it would use
 * numbers again and revive what ended, so it is refused (KF-E08).
 *
 * @param last where the log stands; undefined when it is empty
 * @throws {LogError} when the store is older than the log, or of another history
 */
export async function placeInHistory(
  history: HistoryStore,
  last: LogPosition | undefined,
  folder: string,
): Promise<LogPosition> {
  const lineages = await history.lineages()
  const current = lineages.at(-1)
  if (current === undefined) throw new Error('the history of the store was not begun')
  const { lineage, epoch } = current
  if (last === undefined) return { lineage, epoch, mark: { id: 0, fingerprint: '' } }
  const known = lineages.findIndex((one) => one.lineage === last.lineage)
  if (known < 0) {
    throw new LogError(
      `${folder} is the log of another database, or of this one at a later time. If the database was replaced by an ` +
        `earlier copy: put the right one back, or run chancery restore --in-place. If the log is of another CA: give this one ` +
        'a folder of its own in issuanceLog.path',
    )
  }
  const after = lineages[known + 1]
  if (after === undefined) {
    await mustKnow(history, last, folder)
    return last
  }
  // The log was written before a restore; what came over in it is in the log already, unless the log stopped earlier.
  const id = Math.min(last.mark.id, after.branchedAfter)
  if (id === last.mark.id) return { lineage, epoch, mark: last.mark }
  const event = id === 0 ? undefined : await history.find(id)
  return { lineage, epoch, mark: { id: event?.id ?? 0, fingerprint: event?.fingerprint ?? '' } }
}

/**
 * Makes sure that a store knows what its log was written from.
 *
 * @throws {OlderDatabaseError}
 */
export async function mustKnow(history: HistoryStore, last: LogPosition, folder: string): Promise<void> {
  const { id, fingerprint } = last.mark
  if (id === 0) return
  const event = await history.find(id)
  if (event?.fingerprint === fingerprint) return
  const [newest, oldest] = [await history.newest(), await history.oldestId()]
  // A log that slept for longer than the audit trail is kept.
  if (event === undefined && oldest !== undefined && oldest > id) return
  const stands = newest === undefined ? 'it is empty' : `it ends with event ${newest.id} of ${newest.at.toISOString()}`
  throw new OlderDatabaseError(
    `the database is older than the log of what it issued, ${folder}: ${stands}, and the log knows of event ${id}` +
      `${event === undefined ? '' : ', which says something else there'}. An earlier copy of the database would use CRL numbers again, ` +
      'accept external account keys twice, and not know what was issued since. Put the right database back; if it is ' +
      'lost, run: chancery restore --in-place',
  )
}
