import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { type Faults, faultyConnections, IOERR_FSYNC, sqliteError } from '../../../test/support/faulty-database.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import type { Metrics } from '../../observe/metrics.ts'
import { type Sql, Undo } from '../sql/database.ts'
import { prepareReader, prepareWriter, Statements } from './connection.ts'
import { GroupCommit } from './group-commit.ts'
import { Reader } from './reader.ts'

const BUSY = 5

/** A table of one column, a writer that counts its commits, and a reader. */
async function withTable(
  fn: (parts: {
    commits: GroupCommit
    reader: Reader
    faults: Faults
    count: (sql: string) => number
    observed: number[]
  }) => Promise<void>,
  clock: Clock = new FakeClock(),
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-commit-'))
  const ran: string[] = []
  const faults: Faults = {}
  const before = (sql: string): void => {
    ran.push(sql)
    faults.before?.(sql)
  }
  const { connect, connections } = faultyConnections({ before })
  const path = join(folder, 'test.db')
  const writer = connect(path, { readOnly: false })
  prepareWriter(writer, { inMemory: false })
  writer.exec('CREATE TABLE items (id TEXT NOT NULL PRIMARY KEY)')
  const readConnection = connect(path, { readOnly: true })
  prepareReader(readConnection)
  const observed: number[] = []
  const metrics: Metrics = { count: () => {}, set: () => {}, observe: (_name, seconds) => void observed.push(seconds) }
  const statements = new Statements(writer)
  const commits = new GroupCommit(statements, { clock, log: undefined, metrics })
  const reader = new Reader(statements, {
    isWriterWell: () => !commits.hasFailed,
    aside: new Statements(readConnection),
  })
  try {
    const count = (sql: string) => ran.filter((text) => text === sql).length
    await fn({ commits, reader, faults, count, observed })
  } finally {
    await commits.close()
    reader.close()
    for (const connection of connections) connection.close()
    await rm(folder, { recursive: true, force: true })
  }
}

const insert = (id: string) => (sql: Sql) => sql.run('INSERT INTO items (id) VALUES (?)', id)

async function items(reader: Reader): Promise<string[]> {
  const rows = await reader.all<{ id: string }>('SELECT id FROM items ORDER BY id')
  return rows.map(({ id }) => id)
}

test('writes of one turn of the event loop share one commit, at most 256 of them', () =>
  withTable(async ({ commits, count, observed, reader }) => {
    await Promise.all(Array.from({ length: 256 }, (_, i) => commits.write(insert(`a${i}`))))
    assert.equal(count('BEGIN IMMEDIATE'), 1)
    await Promise.all(Array.from({ length: 257 }, (_, i) => commits.write(insert(`b${i}`))))
    assert.equal(count('BEGIN IMMEDIATE'), 3)
    assert.equal(observed.length, 3, 'each commit is measured')
    assert.equal((await items(reader)).length, 513)
  }))

/** Makes one write in each turn of the event loop, before the commit looks what the turn brought. */
async function oneEachTurn(count: number, write: (i: number) => Promise<unknown>): Promise<void> {
  const writes: Promise<unknown>[] = []
  for (let i = 0; i < count; i++) {
    const turn = new Promise((resolve) => setImmediate(resolve))
    writes.push(write(i))
    await turn
  }
  await Promise.all(writes)
}

test('a commit waits while each turn of the event loop brings another write, and then no longer', () =>
  withTable(async ({ commits, count }) => {
    await oneEachTurn(5, (i) => commits.write(insert(`a${i}`)))
    assert.equal(count('BEGIN IMMEDIATE'), 1)
    await commits.write(insert('b'))
    await commits.write(insert('c'))
    assert.equal(count('BEGIN IMMEDIATE'), 3)
  }))

test('a commit waits for no more writes than share it well', () =>
  withTable(async ({ commits, count }) => {
    await oneEachTurn(40, (i) => commits.write(insert(`n${i}`)))
    assert.equal(count('BEGIN IMMEDIATE'), 2)
  }))

test('KF-F15 a commit waits for further writes some milliseconds at most', () => {
  let nowMs = 0
  return withTable(
    async ({ commits, count }) => {
      await oneEachTurn(12, (i) => {
        nowMs += 3
        return commits.write(insert(`t${i}`))
      })
      assert.equal(count('BEGIN IMMEDIATE'), 3)
    },
    { ...systemClock, monotonicMs: () => nowMs },
  )
})

test('KF-F15 a batch ends when its writes have run for some milliseconds; the next begins in another turn of the loop', () => {
  let nowMs = 0
  const slow = (id: string) => (sql: Sql) => {
    nowMs += 1.5
    return insert(id)(sql)
  }
  return withTable(
    async ({ commits, count, reader }) => {
      await Promise.all(Array.from({ length: 10 }, (_, i) => commits.write(slow(`s${i}`))))
      assert.equal(count('BEGIN IMMEDIATE'), 4)
      assert.equal((await items(reader)).length, 10)
    },
    { ...systemClock, monotonicMs: () => nowMs },
  )
})

test('KF-F15 of the writes that one commit made durable, few are answered in each turn of the event loop, in order', () =>
  withTable(async ({ commits, count }) => {
    const answered: number[] = []
    const perTurn: number[] = []
    const all = Promise.all(
      Array.from({ length: 32 }, (_, i) => commits.write(insert(`${i}`)).then(() => answered.push(i))),
    )
    while (answered.length < 32) {
      const before = answered.length
      await new Promise((turn) => setImmediate(turn))
      if (answered.length > before) perTurn.push(answered.length - before)
    }
    await all
    assert.equal(count('COMMIT'), 1)
    assert.deepEqual(
      answered,
      Array.from({ length: 32 }, (_, i) => i),
    )
    assert.ok(perTurn.length >= 4, `answered in turns of ${perTurn}`)
    assert.ok(Math.max(...perTurn) <= 8, `answered in turns of ${perTurn}`)
  }))

test('a write made while earlier ones are still being answered is answered after them', () =>
  withTable(async ({ commits, count }) => {
    const answered: string[] = []
    const note = (id: string) => commits.write(insert(id)).then(() => void answered.push(id))
    const late: Promise<void>[] = []
    const early = Array.from({ length: 64 }, (_, i) =>
      note(`early ${i}`).then(() => {
        if (i === 0) late.push(note('late'))
      }),
    )
    await Promise.all(early)
    await Promise.all(late)
    assert.equal(count('COMMIT'), 2)
    assert.equal(answered.at(-1), 'late')
  }))

test('a read sees only what is committed, even while a batch is open', () =>
  withTable(async ({ commits, reader }) => {
    let seenInside: string[] = []
    await commits.write(async (sql) => {
      await insert('a')(sql)
      seenInside = await items(reader)
    })
    assert.deepEqual(seenInside, [])
    assert.deepEqual(await items(reader), ['a'])
  }))

test('a write is seen by every read that begins after it was acknowledged', () =>
  withTable(async ({ commits, reader }) => {
    for (let i = 0; i < 50; i++) {
      const others = Array.from({ length: 5 }, () => items(reader))
      await commits.write(insert(String(i)))
      assert.ok((await items(reader)).includes(String(i)))
      await Promise.all(others)
    }
  }))

test('a read that begins while a batch runs never sees a part of it, and sees all of it once it is acknowledged', () =>
  withTable(async ({ commits, reader }) => {
    const seen: Promise<string[]>[] = []
    const look = async (sql: Sql, id: string) => {
      seen.push(items(reader))
      await insert(id)(sql)
      seen.push(items(reader))
    }
    await Promise.all([commits.write((sql) => look(sql, 'a')), commits.write((sql) => look(sql, 'b'))])
    for (const ids of await Promise.all(seen)) assert.deepEqual(ids, [])
    assert.deepEqual(await items(reader), ['a', 'b'])
  }))

test('KF-E03 reads go on after the disk failed, even where the writer was left in the middle of a batch', () =>
  withTable(async ({ commits, faults, reader }) => {
    await commits.write(insert('a'))
    faults.before = (sql) => {
      if (sql === 'COMMIT' || sql === 'ROLLBACK') throw sqliteError(IOERR_FSYNC)
    }
    await assert.rejects(commits.write(insert('b')), { code: 'full' })
    assert.deepEqual(await items(reader), ['a'])
    delete faults.before
  }))

test('a write that fails half way is undone alone, in its place among the others', () =>
  withTable(async ({ commits, reader }) => {
    const results = await Promise.allSettled([
      commits.write(insert('a')),
      commits.write(async (sql) => {
        await insert('b')(sql)
        await insert('a')(sql)
      }),
      commits.write(async (sql) => {
        await insert('c')(sql)
        throw new Undo('on purpose')
      }),
      commits.write(async () => {
        throw new TypeError('a bug')
      }),
      commits.write(insert('b')),
    ])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled'],
    )
    const reasons = results.map((result) => (result.status === 'rejected' ? result.reason : undefined))
    assert.equal(reasons[1].code, 'failed')
    assert.equal(reasons[2].outcome, 'on purpose')
    assert.equal(reasons[3].code, 'failed')
    assert.ok(reasons[3].cause instanceof TypeError)
    assert.deepEqual(await items(reader), ['a', 'b'])
  }))

test('nothing is acknowledged before the commit, not even a refusal that rests on it', () =>
  withTable(async ({ commits, faults, reader }) => {
    faults.before = (sql) => {
      if (sql === 'COMMIT') throw new Error('no commit')
    }
    const taken = async (sql: Sql) => {
      const row = await sql.get('SELECT id FROM items WHERE id = ?', 'a')
      throw new Undo(row === undefined ? 'free' : 'taken')
    }
    const results = await Promise.allSettled([commits.write(insert('a')), commits.write(taken)])
    delete faults.before
    for (const result of results) {
      assert.equal(result.status, 'rejected')
      assert.equal(result.reason.code, 'failed')
    }
    assert.deepEqual(await items(reader), [])
    await commits.write(insert('a'))
  }))

test('KF-E03 a disk that fails under one write ends the whole batch, and all writing', () =>
  withTable(async ({ commits, faults, reader }) => {
    faults.before = (sql) => {
      if (sql.startsWith('INSERT') && armed) throw sqliteError(IOERR_FSYNC)
    }
    let armed = false
    const results = await Promise.allSettled([
      commits.write(insert('a')),
      commits.write((sql) => {
        armed = true
        return insert('b')(sql)
      }),
    ])
    delete faults.before
    for (const result of results) {
      assert.equal(result.status, 'rejected')
      assert.equal(result.reason.code, 'full')
    }
    await assert.rejects(commits.write(insert('c')), { code: 'full', message: /no more writes until restart/ })
    assert.deepEqual(await items(reader), [])
  }))

test('while another process writes, a batch waits its turn and is then committed', () =>
  withTable(async ({ commits, faults, reader }) => {
    let refusals = 3
    faults.before = (sql) => {
      if (sql === 'BEGIN IMMEDIATE' && refusals-- > 0) throw sqliteError(BUSY, 'database is locked')
    }
    await Promise.all([commits.write(insert('a')), commits.write(insert('b'))])
    assert.deepEqual(await items(reader), ['a', 'b'])
    assert.equal(refusals, -1)
  }, systemClock))

test('a database that another process never lets go is busy; later writes are tried again', () =>
  withTable(
    async ({ commits, faults, reader }) => {
      faults.before = (sql) => {
        if (sql === 'BEGIN IMMEDIATE') throw sqliteError(BUSY, 'database is locked')
      }
      await assert.rejects(commits.write(insert('a')), { code: 'busy' })
      delete faults.before
      await commits.write(insert('b'))
      assert.deepEqual(await items(reader), ['b'])
    },
    { ...systemClock, sleep: () => Promise.resolve() },
  ))

test('close waits for what was asked for, and refuses what comes after', () =>
  withTable(async ({ commits, reader }) => {
    const written = commits.write(insert('a'))
    await commits.close()
    await written
    await assert.rejects(commits.write(insert('b')), { code: 'failed', message: /closed/ })
    assert.deepEqual(await items(reader), ['a'])
  }))
