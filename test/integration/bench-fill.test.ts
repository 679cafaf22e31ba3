import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { test } from 'node:test'
import { fillDatabase } from '../../bench/fill.ts'
import type { AccountId } from '../../src/lib/ids.ts'
import { startJourney } from '../support/acme-journey.ts'

/** A rule that asks how often, so that the names of certificates are remembered. */
const RULES = `
version: 1
rules:
  - name: internal-hosts
    names: { dns: ['**.internal'] }
    often: { perName: { count: 100, per: 1d } }
`

type Row = Record<string, SQLOutputValue>

/** How much more or less a row may hold than a real one: names, addresses and reasons differ in their length. */
const TOLERANCE = 0.1

test('the rows that stand for an issuance in a measurement are in every table, and every column, that an issuance fills', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'chancery-fill-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  await writeFile(join(home, 'rules.yaml'), RULES)
  const path = join(home, 'chancery.db')
  const journey = await startJourney({ home, set: ['policy.file=rules.yaml'] })
  let real: Map<string, Row[]>
  let account: AccountId
  try {
    const client = await journey.registered()
    account = client.accountUrl?.split('/').at(-1) as AccountId
    // The first one of an account and a domain also leaves what their limits remember of them.
    await journey.issue(client, ['host-a.internal'])
    const before = readTables(path)
    await journey.issue(client, ['host-b.internal'])
    real = added(before, readTables(path))
  } finally {
    await journey.close()
  }
  assert.ok(real.has('decisions') && real.has('issued_names') && real.has('certificates'), [...real.keys()].join())

  const before = readTables(path)
  const orderIds = fillDatabase(path, { count: 4, account, every: 2, now: new Date() })
  assert.equal(orderIds.length, 2)
  const filled = added(before, readTables(path))
  filled.delete('accounts')

  assert.deepEqual([...filled.keys()], [...real.keys()])
  for (const [table, rows] of real) {
    const made = filled.get(table) ?? []
    assert.equal(made.length, 4 * rows.length, `rows of ${table}`)
    assert.deepEqual(filledColumns(made), filledColumns(rows), `columns of ${table}`)
    const [expected, size] = [sizeOf(rows), sizeOf(made) / 4]
    assert.ok(Math.abs(size / expected - 1) < TOLERANCE, `rows of ${table} hold ${size} bytes, really ${expected}`)
  }
})

function readTables(path: string): Map<string, Row[]> {
  using connection = new DatabaseSync(path, { readOnly: true })
  const tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
  return new Map(tables.all().map(({ name }) => [String(name), connection.prepare(`SELECT * FROM "${name}"`).all()]))
}

/** Rows that were not there before, of the tables that have such; a row that changed is none. */
function added(before: Map<string, Row[]>, after: Map<string, Row[]>): Map<string, Row[]> {
  const gained = new Map<string, Row[]>()
  for (const [table, rows] of after) {
    const old = before.get(table) ?? []
    const known = new Set(old.map(asText))
    const fresh = rows.filter((row) => !known.has(asText(row)))
    if (rows.length > old.length) gained.set(table, fresh)
  }
  return gained
}

function asText(row: Row): string {
  return JSON.stringify(row, (_, value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value))
}

function filledColumns(rows: readonly Row[]): string[] {
  return Object.keys(rows[0] ?? {}).filter((column) => rows.some((row) => row[column] !== null))
}

function sizeOf(rows: readonly Row[]): number {
  return rows.reduce((sum, row) => sum + Object.values(row).reduce<number>((all, value) => all + bytesOf(value), 0), 0)
}

function bytesOf(value: SQLOutputValue): number {
  if (value === null) return 0
  if (typeof value === 'string') return Buffer.byteLength(value)
  return value instanceof Uint8Array ? value.length : 8
}
