import { runWithNext, type Sql, type SqlValue } from './database.ts'

/** Most rows of one statement; more are inserted by several. */
const MAX_ROWS = 64

/**
 * Inserts rows by as few statements as it takes, of few different texts, so that each text is prepared once: the number
 * of rows in a statement is three, as the challenges of a name are, or a power of two.
 *
 * @param head `INSERT INTO table (column, …)`
 * @param maxRows most rows of one statement, a power of two
 */
export async function insertRows(
  sql: Sql,
  head: string,
  rows: readonly (readonly SqlValue[])[],
  maxRows: number = MAX_ROWS,
): Promise<void> {
  for (let at = 0; at < rows.length; ) {
    const left = rows.length - at
    const count = Math.min(maxRows, left === 3 ? left : 2 ** Math.floor(Math.log2(left)))
    const [first = [], ...others] = rows.slice(at, at + count)
    await runWithNext(sql, statement(head, count, first.length), ...(count === 1 ? first : first.concat(...others)))
    at += count
  }
}

/** By head, then by number of rows. */
const statements = new Map<string, Map<number, string>>()

function statement(head: string, rows: number, columns: number): string {
  let ofHead = statements.get(head)
  if (ofHead === undefined) {
    ofHead = new Map()
    statements.set(head, ofHead)
  }
  let made = ofHead.get(rows)
  if (made === undefined) {
    const row = `(${new Array<string>(columns).fill('?').join(', ')})`
    made = `${head} VALUES ${new Array<string>(rows).fill(row).join(', ')}`
    ofHead.set(rows, made)
  }
  return made
}
