import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { MIGRATIONS } from '../migrations/index.ts'
import { explainMark, type MoveMark, markText, readMark } from '../move-marks.ts'
import { appendAudit } from '../sql/audit.ts'
import type { Reads, Sql } from '../sql/database.ts'
import { newestMark, readLineages } from '../sql/history.ts'
import { BEGIN, FORGET_NONCES, FORGET_SECRET } from '../sql/recovery-statements.ts'
import { StoreError } from '../store.ts'
import { clearTables, copyTables, type TableDigest } from './copy-rows.ts'
import type { MoveEnd } from './move-ends.ts'
import { occupantOf } from './occupant.ts'
import { tableShapes } from './table-shapes.ts'

const FORGET_MARK = 'DELETE FROM store_lineages WHERE lineage = ?'

// Changes nothing, but waits for commands that are at a write (`unlessMoved`), and those that come later for the mark.
const TOUCH_FIRST_LIFE = 'UPDATE store_lineages SET started_at = started_at WHERE epoch = 0'

const COUNT_EVENTS = 'SELECT COUNT(*) AS count FROM audit_events'

export interface MoveOptions {
  readonly from: MoveEnd
  readonly to: MoveEnd
  readonly clock: Clock
  readonly random: Random
  /** Named secrets that the copy goes on without; the next start makes new ones. */
  readonly voidSecrets: readonly string[]
  /** Told between the steps; for tests that end the move there. */
  readonly after?: (step: 'copied' | 'marked') => Promise<void>
}

/** What the copy holds: each table as it was read, and read back. Absent when only the end of an earlier try was left. */
export type Moved = readonly TableDigest[] | undefined

/**
 * Moves everything from one database to an empty one, both of this program's schema. The copy cannot be served before
 * the original can no longer be: (1) the copy is committed with a mark, (2) the original gets one, (3) the copy loses
 * its own. After a crash the same call ends it, from wherever it was.
 *
 * @throws {StoreError} when either is not in a state for it, or something was written meanwhile
 */
export async function moveDatabase(options: MoveOptions): Promise<Moved> {
  const { from, to } = options
  const [before, there] = [await from.transaction(stateOf), await to.transaction(stateOf)]
  if (before.mark?.kind === 'away' && there.mark?.kind === 'arriving' && there.mark.id === before.mark.id) {
    await endMove(options, before.mark, there.mark)
    return undefined
  }
  if (before.mark !== undefined) throw new StoreError('failed', `${from.name}: ${explainMark(before.mark)}`)
  if (before.isUnfinished)
    throw new StoreError(
      'failed',
      `${from.name}: a restore was begun and did not end; run: chancery restore --in-place`,
    )
  if (before.isEmpty) throw new StoreError('failed', `${from.name} is empty: there is nothing to move`)
  if (!there.isEmpty && there.mark?.kind !== 'arriving')
    throw new StoreError('failed', `${to.name} is not empty; name a new database`)
  return copyAndMark(options, there.mark)
}

async function copyAndMark(options: MoveOptions, earlier: MoveMark | undefined): Promise<Moved> {
  const { from, to, clock, random, voidSecrets } = options
  const id = random.bytes(16).toString('hex')
  const arriving: MoveMark = { kind: 'arriving', id, other: from.name }
  const away: MoveMark = { kind: 'away', id, other: to.name }
  const now = clock.now()
  const tables = await from.transaction(async (original) => {
    const tables = await to.transaction(async (copy) => {
      const { isEmpty, mark } = await stateOf(copy)
      if (!isEmpty && mark?.id !== earlier?.id) throw new StoreError('busy', `${to.name} was written to; begin again`)
      const shapes = tableShapes(MIGRATIONS.length)
      await clearTables(copy, shapes)
      const tables = await copyTables(original, copy, shapes)
      // Spent nonces stay behind, so none that was given out before is good.
      await copy.run(FORGET_NONCES)
      for (const name of voidSecrets) await copy.run(FORGET_SECRET, name)
      const data = { id, from: from.name, to: to.name, tables: tables.map(({ table, rows }) => [table, rows]) }
      await appendAudit(copy, { at: now, event: 'store.moved', data })
      await addMark(copy, arriving, now)
      return tables
    })
    await options.after?.('copied')
    await addMark(original, away, now)
    return tables
  })
  await options.after?.('marked')
  await endMove(options, away, arriving)
  return tables
}

/**
 * Where several may write at once, a command may have written to the original after our moment and before our mark;
 * then the original is served as before.
 */
async function endMove({ from, to }: MoveOptions, away: MoveMark, arriving: MoveMark): Promise<void> {
  // All but the event of the move.
  const copied = (await to.transaction(countEvents)) - 1
  const isWhole = await from.transaction(async (sql) => {
    if ((await countEvents(sql)) === copied) return true
    await sql.run(FORGET_MARK, markText(away))
    return false
  })
  if (!isWhole)
    throw new StoreError('busy', `a command wrote to ${from.name} while it was moved; nothing was moved, begin again`)
  await to.transaction((sql) => sql.run(FORGET_MARK, markText(arriving)))
}

async function stateOf(sql: Reads) {
  const newest = (await readLineages(sql)).at(-1)
  return {
    isEmpty: (await occupantOf(sql, tableShapes(MIGRATIONS.length))) === undefined,
    isUnfinished: newest !== undefined && newest.finishedAt === undefined,
    mark: readMark(newest),
  }
}

async function addMark(sql: Sql, mark: MoveMark, now: Date): Promise<void> {
  await sql.run(TOUCH_FIRST_LIFE)
  const epoch = ((await readLineages(sql)).at(-1)?.epoch ?? -1) + 1
  const newest = await newestMark(sql)
  await sql.run(BEGIN, epoch, markText(mark), now.getTime(), newest?.id ?? 0)
}

async function countEvents(sql: Reads): Promise<number> {
  return (await sql.get<{ count: number }>(COUNT_EVENTS))?.count ?? 0
}
