import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TEST_SETTINGS } from '../../../test/support/postgres-server.ts'
import { describeOnPostgres } from '../../../test/support/postgres-suite.ts'
import { RecordingMetrics } from '../../../test/support/recorders.ts'
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { Connections } from './connections.ts'
import { loadDriver } from './driver.ts'
import { Transactions } from './transactions.ts'

const clock = systemClock

describeOnPostgres('statements on the wire', (suite) => {
  /** One connection, so that what was prepared is met again. */
  async function onOneConnection(
    work: (database: Transactions, metrics: RecordingMetrics) => Promise<void>,
  ): Promise<void> {
    const { server } = suite
    const settings = { ...TEST_SETTINGS, poolSize: 1 }
    const metrics = new RecordingMetrics()
    const common = { clock, log: undefined, metrics }
    const driver = await loadDriver(server.address(await server.createDatabase()), settings)
    const connections = new Connections(driver, { ...common, settings, verify: async () => {} })
    const database = new Transactions(connections, { ...common, random: systemRandom, local: [] })
    try {
      await work(database, metrics)
    } finally {
      await database.close()
    }
  }

  test('values come back as they went, when the columns are told and when they are known', () =>
    onOneConnection(async (database) => {
      const asked = `SELECT CAST(? AS TEXT) AS text, CAST(? AS BIGINT) AS number, CAST(? AS BYTEA) AS bytes,
        CAST(? AS INTEGER) AS nothing, CAST(? AS INTEGER) > 20 AS more`
      const bytes = Buffer.from([0, 0x5c, 0xff])
      for (const text of ['', "it's", '"\\{},NULL', '☂\n']) {
        const row = await database.get(asked, text, 2 ** 53 - 1, bytes, null, 17)
        assert.deepEqual(row, { text, number: 2 ** 53 - 1, bytes, nothing: null, more: false })
      }
      assert.deepEqual(await database.all('SELECT 1 AS one WHERE ? = 2', 1), [])
      await assert.rejects(database.get('SELECT CAST(? AS BIGINT) AS number', '9007199254740993'), {
        message: /9007199254740993, which is out of range/,
      })
      assert.deepEqual(await database.get('SELECT 1 AS one'), { one: 1 })
    }))

  test('a list of texts is what it was, whatever is in them', () =>
    onOneConnection(async (database) => {
      const texts = ['plain', '', 'NULL', '{a,b}', '"', '\\', '\\"', "'", ' , ', '☂']
      const { rows } = await database.single(
        'SELECT * FROM unnest(CAST(? AS TEXT[]), CAST(? AS BIGINT[])) AS of_list (text, number)',
        [texts, texts.map((_, index) => index)],
      )
      assert.deepEqual(
        rows,
        texts.map((text, number) => ({ text, number })),
      )
    }))

  test('how many rows a statement changed is told of every kind of it', () =>
    onOneConnection(async (database) => {
      const changes = await database.write(async (sql) => [
        await sql.run('CREATE TABLE things (id INTEGER PRIMARY KEY)'),
        await sql.run('INSERT INTO things SELECT generate_series(1, 12)'),
        await sql.run('UPDATE things SET id = id + 100 WHERE id > ?', 5),
        await sql.run('DELETE FROM things WHERE id = ?', 0),
      ])
      assert.deepEqual(changes, [{ changes: 0 }, { changes: 12 }, { changes: 7 }, { changes: 0 }])
    }))

  test('a column that becomes of another type is read as what it is', () =>
    onOneConnection(async (database, metrics) => {
      await database.write((sql) => sql.run('CREATE TABLE things (id INTEGER)'))
      await database.write((sql) => sql.run('INSERT INTO things VALUES (7)'))
      const read = () => database.get('SELECT id FROM things WHERE id IS NOT NULL')
      assert.deepEqual([await read(), await read()], [{ id: 7 }, { id: 7 }])
      await database.write((sql) => sql.run(`ALTER TABLE things ALTER COLUMN id TYPE TEXT USING 'seven'`))
      assert.deepEqual([await read(), await read()], [{ id: 'seven' }, { id: 'seven' }])
      assert.equal(metrics.counts.get('chancery_store_retries_total read plan'), 1)
    }))

  test('when what travels before a statement fails, the write fails by it, and the connection is as good as before', () =>
    onOneConnection(async (database) => {
      await database.write((sql) => sql.run('CREATE TABLE things (id INTEGER PRIMARY KEY CHECK (id > 0))'))
      const insertWithNext = (id: number) =>
        database.write(async (sql) => {
          assert.ok(sql.runWithNext !== undefined)
          await sql.runWithNext('INSERT INTO things VALUES (?)', id)
          return sql.all('SELECT id FROM things WHERE id < ?', 100)
        })
      await assert.rejects(insertWithNext(0), { message: /violates check constraint/ })
      assert.deepEqual(await insertWithNext(1), [{ id: 1 }])
      await assert.rejects(insertWithNext(-1), { message: /violates check constraint/ })
      assert.deepEqual(await insertWithNext(2), [{ id: 1 }, { id: 2 }])
    }))
})
