import type { Sql, SqlValue } from './database.ts'

/** Most rows of one statement; more are inserted by several. */
const MAX_ROWS = 64

/**
 * Inserts rows by as few statements as it takes, of few different texts, so that each text is prepared once: the number
 * of rows in a statement is a power of two.
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
    const count = Math.min(maxRows, 2 ** Math.floor(Math.log2(rows.length - at)))
    const part = rows.slice(at, at + count)
    await sql.run(statement(head, count, part[0]?.length ?? 0), ...part.flat())
    at += count
  }
}

const statements = new Map<string, string>()

function statement(head: string, rows: number, columns: number): string {
  const key = `${rows} ${head}`
  const known = statements.get(key)
  if (known !== undefined) return known
  const row = `(${new Array<string>(columns).fill('?').join(', ')})`
  const made = `${head} VALUES ${new Array<string>(rows).fill(row).join(', ')}`
  statements.set(key, made)
  return made
}
