import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '../store.ts'
import type { Database, Sql, SqlValue } from './database.ts'
import { createLimitStore } from './limits.ts'

const RULE = { intervalUs: 1_000_000, burst: 10 }
const NOW = new Date('2026-03-01T12:00:00Z')
const NOW_US = NOW.getTime() * 1000

/** A database in which somebody else takes a unit between our read and our write, as often as told. */
function racingDatabase(races: number) {
  let tat = NOW_US
  let left = races
  const sql: Sql = {
    get: async () => undefined,
    async all<Row>() {
      const read = [{ key: 'k', tat }] as Row[]
      if (left-- > 0) tat += RULE.intervalUs
      return read
    },
    async run(_statement: string, ...params: SqlValue[]) {
      if (params[2] !== tat) return { changes: 0 }
      tat = Number(params[1])
      return { changes: 1 }
    },
  }
  const database: Database = { get: sql.get, all: sql.all, write: (fn) => fn(sql), close: async () => undefined }
  return { database, tat: () => tat }
}

test('KF-E06 a write that lost a race is tried again on what the winner left', async () => {
  const { database, tat } = racingDatabase(3)
  const outcome = await createLimitStore(database).take([{ key: 'k', rule: RULE, least: 1, most: 1 }], NOW)
  assert.equal(outcome.outcome, 'taken')
  assert.equal(tat(), NOW_US + 4 * RULE.intervalUs)
})

test('KF-E06 races never let more through than the burst', async () => {
  const { database, tat } = racingDatabase(10)
  const outcome = await createLimitStore(database).take([{ key: 'k', rule: RULE, least: 1, most: 1 }], NOW)
  assert.equal(outcome.outcome, 'refused')
  assert.equal(tat(), NOW_US + 10 * RULE.intervalUs)
})

test('a key that is always taken by others ends in an error, and not in a loop', async () => {
  const { database } = racingDatabase(Number.POSITIVE_INFINITY)
  const wide = { ...RULE, burst: 1000 }
  const taking = createLimitStore(database).take([{ key: 'k', rule: wide, least: 1, most: 1 }], NOW)
  await assert.rejects(taking, (error) => error instanceof StoreError && error.code === 'busy')
})
