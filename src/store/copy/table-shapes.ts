import { DatabaseSync } from 'node:sqlite'
import { MIGRATIONS } from '../migrations/index.ts'
import { migrate } from '../sqlite/migrate.ts'
import { TABLES } from './tables.ts'

/** A table whose rows are copied. */
export interface TableShape {
  readonly name: string
  /** All columns, in one order for every engine. */
  readonly columns: readonly string[]
  /** Columns of the primary key, in its order. */
  readonly key: readonly string[]
  readonly rowsAtOnce: number
  /** The column that the engine numbers by itself. */
  readonly numbered?: string
}

/**
 * The tables to be copied as they are after so many steps of the schema, read off an empty database: the steps alone
 * say which columns there are.
 *
 * @param schema number of the newest step, 1 or more
 */
export function tableShapes(schema: number): readonly TableShape[] {
  const empty = new DatabaseSync(':memory:')
  try {
    // Of an empty database that nobody keeps, the time of its making does not matter.
    migrate(empty, MIGRATIONS.slice(0, schema), { now: () => new Date(0) })
    return Object.entries(TABLES).flatMap(([name, treatment]) => {
      const columns = empty.prepare('SELECT name, pk FROM pragma_table_info(?)').all(name)
      if (!treatment.copied || columns.length === 0) return []
      const key = columns.filter(({ pk }) => pk !== 0).sort((a, b) => Number(a['pk']) - Number(b['pk']))
      const shape = {
        name,
        columns: columns.map((column) => String(column['name'])),
        key: key.map((column) => String(column['name'])),
        rowsAtOnce: treatment.rowsAtOnce,
      }
      return [treatment.numbered === true ? { ...shape, numbered: String(key[0]?.['name']) } : shape]
    })
  } finally {
    empty.close()
  }
}
