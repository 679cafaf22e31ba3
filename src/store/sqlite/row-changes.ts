import type { DatabaseSync } from 'node:sqlite'

type Event = 'INSERT' | 'UPDATE' | 'DELETE'

const ANY: readonly Event[] = ['INSERT', 'UPDATE', 'DELETE']
/** Of rows that a record cannot lack: while one is not there, nothing is remembered of it. */
const LATER: readonly Event[] = ['UPDATE', 'DELETE']

/** The tables that remembered records are made of, and the column by which a change of a row is told. */
const ROWS: readonly { readonly table: string; readonly column: string; readonly events: readonly Event[] }[] = [
  { table: 'accounts', column: 'id', events: LATER },
  { table: 'eab_keys', column: 'id', events: ANY },
  { table: 'name_grants', column: 'holder', events: ANY },
  { table: 'orders', column: 'id', events: LATER },
  { table: 'order_authorizations', column: 'order_id', events: ANY },
  { table: 'authorizations', column: 'id', events: LATER },
  { table: 'challenges', column: 'authorization_id', events: ANY },
]

const TELL = 'chancery_tell'

/**
 * Tells of every row of those tables that this connection changes, by whichever statement and by cascades too, as it
 * changes: before the commit, and although it may be undone. The triggers are the connection's own; the database holds
 * nothing of them.
 */
export function tellChanges(connection: DatabaseSync, tell: (value: string) => void): void {
  connection.function(TELL, (value) => {
    tell(String(value))
    return null
  })
  for (const { table, column, events } of ROWS) {
    for (const event of events) {
      connection.exec(
        `CREATE TEMP TRIGGER tell_${table}_${event.toLowerCase()} AFTER ${event} ON main.${table} BEGIN ${body(event, column)} END`,
      )
    }
  }
}

function body(event: Event, column: string): string {
  const [old, now] = [`SELECT ${TELL}(OLD.${column})`, `SELECT ${TELL}(NEW.${column})`]
  switch (event) {
    case 'INSERT':
      return `${now};`
    case 'UPDATE':
      return `${old}; ${now} WHERE NEW.${column} IS NOT OLD.${column};`
    case 'DELETE':
      return `${old};`
  }
}
