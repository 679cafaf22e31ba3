import { hostname } from 'node:os'
import type { Clock } from '../../lib/clock.ts'
import type { Lineage } from '../history.ts'
import { LIST_APPLIED, tooNew } from '../migrations/migration.ts'
import { explainMark, readMark } from '../move-marks.ts'
import type { Reads } from '../sql/database.ts'
import { readLineages } from '../sql/history.ts'
import type { Instance, InstanceStore } from '../store.ts'
import type { Transactions } from './transactions.ts'

/** An instance that was not heard of for this long is taken for dead. Far above its heartbeat and the clocks' bound. */
const DEAD_AFTER_MS = 120_000

export const CREATE_INSTANCES_TABLE = `
  CREATE TABLE IF NOT EXISTS instances (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    schema_known INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
  )`

const BEAT = `
  INSERT INTO instances (id, name, schema_known, started_at, seen_at) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`

const LIVE = `
  SELECT id, name, schema_known, started_at, seen_at FROM instances WHERE seen_at > ? ORDER BY started_at, id`

const FORGET_DEAD = 'DELETE FROM instances WHERE seen_at <= ?'

const LEAVE = 'DELETE FROM instances WHERE id = ?'

interface InstanceRow {
  readonly id: string
  readonly name: string
  readonly schema_known: number
  readonly started_at: number
  readonly seen_at: number
}

export async function liveInstances(sql: Reads, now: Date): Promise<Instance[]> {
  const rows = await sql.all<InstanceRow>(LIVE, now.getTime() - DEAD_AFTER_MS)
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    schema: row.schema_known,
    startedAt: new Date(row.started_at),
    seenAt: new Date(row.seen_at),
  }))
}

/**
 * The servers that work on one database, each a row that it keeps fresh. Heartbeat and look at the schema are one
 * serializable transaction, as are a schema step and its look at the instances: either the step sees the instance, or
 * the instance sees the step. The same with what ends a life of the database: a move, or a restore.
 */
export function createInstanceStore(
  database: Transactions,
  options: { readonly id: string; readonly clock: Clock; readonly knownSchema: number },
): InstanceStore {
  const { id, clock, knownSchema } = options
  const startedAt = clock.now()
  const name = `${hostname()}:${process.pid}`
  /** The life that this server serves; unknown until the first start of a new database has begun one. */
  let life: string | undefined
  return {
    beat: async () => {
      const seen = await database.write(async (sql) => {
        const applied = await sql.all<{ number: number; readable_from: number | null }>(LIST_APPLIED)
        const steps = applied.map(({ number, readable_from }) => ({ number, readableFrom: readable_from }))
        const newest = (await readLineages(sql)).at(-1)
        const problem = tooNew(knownSchema, steps) ?? ended(life, newest)
        if (problem !== undefined) return { problem }
        await sql.run(BEAT, id, name, knownSchema, startedAt.getTime(), clock.now().getTime())
        return { life: newest?.lineage }
      }, 'SERIALIZABLE')
      // By itself: it reads the rows of all, and each heartbeat that read what others write would make theirs fail.
      await database.write((sql) => sql.run(FORGET_DEAD, clock.now().getTime() - DEAD_AFTER_MS))
      life ??= seen.life
      return seen.problem
    },
    list: () => liveInstances(database, clock.now()),
    leave: async () => {
      await database.write((sql) => sql.run(LEAVE, id))
    },
  }
}

/** Why a life of the database is over, of which a server that was taken for dead could not be told. */
function ended(life: string | undefined, newest: Lineage | undefined): string | undefined {
  if (life === undefined || newest?.lineage === life) return undefined
  const mark = readMark(newest)
  if (mark !== undefined) return explainMark(mark)
  return 'the database was restored while this server was cut off from it, and goes on without it. Start it again'
}
