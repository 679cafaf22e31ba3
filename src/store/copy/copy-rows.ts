import { createHash, type Hash } from 'node:crypto'
import type { Reads, Sql, SqlValue } from '../sql/database.ts'
import { insertRows } from '../sql/insert-rows.ts'
import { StoreError } from '../store.ts'
import type { TableShape } from './table-shapes.ts'

/** A database to read from, as of one moment. */
export interface CopySource extends Reads {
  /** The greatest number that the engine ever gave in this table, also to a row that is gone; 0 when it gave none. */
  lastNumber(shape: TableShape): Promise<number>
}

/** A database to write to, inside one transaction. */
export interface CopyTarget extends Sql, CopySource {
  /** What stands between the columns and the values of an INSERT that brings its own numbers. */
  readonly ownNumbers: string
  /** Whether text may hold U+0000. */
  readonly keepsNul: boolean
  /** From now on the engine gives numbers above `last`. */
  goOnAfter(shape: TableShape, last: number): Promise<void>
}

/** What a table holds, comparable between engines. */
export interface TableDigest {
  readonly table: string
  readonly rows: number
  /** Hex SHA-256 over all rows in the order of their key. */
  readonly sha256: string
}

/** Rows in one INSERT. */
const ROWS_PER_INSERT = 128

type Row = Readonly<Record<string, SqlValue>>

/**
 * Copies all rows of all tables into empty ones, then reads them back and compares.
 *
 * @throws {StoreError} when a value cannot be kept, or what was read back differs
 */
export async function copyTables(
  from: CopySource,
  to: CopyTarget,
  shapes: readonly TableShape[],
): Promise<TableDigest[]> {
  const copied: TableDigest[] = []
  for (const shape of shapes) copied.push(await copyTable(from, to, shape))
  for (const [index, shape] of shapes.entries()) {
    const [wanted, found] = [copied[index], await digestTable(to, shape)]
    if (wanted?.sha256 !== found.sha256 || wanted.rows !== found.rows)
      throw new StoreError(
        'failed',
        `the copy of ${shape.name} is not what was copied: ${wanted?.rows} rows were read, ${found.rows} are there, ` +
          'or one of them differs. Nothing was kept',
      )
  }
  return copied
}

/** Removes all rows of all tables. */
export async function clearTables(sql: Sql, shapes: readonly TableShape[]): Promise<void> {
  for (const { name } of shapes.toReversed()) await sql.run(`DELETE FROM ${name}`)
}

export async function digestTable(from: Reads, shape: TableShape): Promise<TableDigest> {
  const hash = createHash('sha256')
  let rows = 0
  for await (const batch of batchesOf(from, shape)) {
    for (const values of batch) addRow(hash, values)
    rows += batch.length
  }
  return { table: shape.name, rows, sha256: hash.digest('hex') }
}

async function copyTable(from: CopySource, to: CopyTarget, shape: TableShape): Promise<TableDigest> {
  const { name, columns, numbered } = shape
  const head = `INSERT INTO ${name} (${columns.join(', ')})${numbered === undefined ? '' : to.ownNumbers}`
  const hash = createHash('sha256')
  let rows = 0
  for await (const batch of batchesOf(from, shape)) {
    for (const values of batch) {
      if (!to.keepsNul) refuseNul(shape, values)
      addRow(hash, values)
    }
    await insertRows(to, head, batch, ROWS_PER_INSERT)
    rows += batch.length
  }
  if (numbered !== undefined) await to.goOnAfter(shape, await from.lastNumber(shape))
  return { table: name, rows, sha256: hash.digest('hex') }
}

/** The rows in the order of their key, a batch at a time, each batch found by the key of the row before it. */
async function* batchesOf(from: Reads, shape: TableShape): AsyncGenerator<SqlValue[][]> {
  const { name, columns, key, rowsAtOnce } = shape
  const list = key.join(', ')
  const select = `SELECT ${columns.join(', ')} FROM ${name}`
  const order = `ORDER BY ${list} LIMIT ${rowsAtOnce}`
  const first = `${select} ${order}`
  const next = `${select} WHERE (${list}) > (${key.map(() => '?').join(', ')}) ${order}`
  let last: SqlValue[] | undefined
  for (;;) {
    const rows = last === undefined ? await from.all<Row>(first) : await from.all<Row>(next, ...last)
    const newest = rows.at(-1)
    if (newest === undefined) return
    yield rows.map((row) => columns.map((column) => cell(row, column)))
    if (rows.length < rowsAtOnce) return
    last = key.map((column) => cell(newest, column))
  }
}

function cell(row: Row, column: string): SqlValue {
  const value = row[column]
  if (value === undefined) throw new Error(`the column ${column} was asked for and not given`)
  return value
}

/** The same for every engine: JSON, in which numbers, text and NULL differ, and bytes are a list. */
function addRow(hash: Hash, values: readonly SqlValue[]): void {
  const plain = values.map((value) =>
    value instanceof Uint8Array
      ? [Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')]
      : value,
  )
  hash.update(`${JSON.stringify(plain)}\n`)
}

function refuseNul({ name, columns, key }: TableShape, values: readonly SqlValue[]): void {
  const at = values.findIndex((value) => typeof value === 'string' && value.includes('\0'))
  if (at < 0) return
  const where = key.map((column) => `${column} ${JSON.stringify(values[columns.indexOf(column)])}`).join(', ')
  throw new StoreError(
    'failed',
    `${name}.${columns[at]} of the row with ${where} holds the character U+0000, which PostgreSQL cannot keep; change it first`,
  )
}
