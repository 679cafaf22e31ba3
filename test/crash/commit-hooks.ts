import { DatabaseSync, StatementSync } from 'node:sqlite'
import { IOERR_FSYNC, sqliteError } from '../support/faulty-database.ts'

/** Called in place of a commit that writes, with the audit events it holds; `commit` makes it. */
type CommitHook = (commit: () => unknown, events: ReadonlySet<string>) => unknown

let hook: CommitHook | undefined

/** Puts something around every commit of this process from now on; undefined for nothing. */
export function hookCommits(to: CommitHook | undefined): void {
  hook = to
}

const open = new WeakMap<DatabaseSync, Set<string>>()
const owners = new WeakMap<StatementSync, DatabaseSync>()
const { prepare } = DatabaseSync.prototype
DatabaseSync.prototype.prepare = function (this: DatabaseSync, ...parameters: Parameters<typeof prepare>) {
  const statement = prepare.apply(this, parameters)
  owners.set(statement, this)
  return statement
}

const { run } = StatementSync.prototype
StatementSync.prototype.run = function (this: StatementSync, ...parameters: unknown[]) {
  const sql = this.sourceSQL
  const database = owners.get(this)
  const make = (): unknown => Reflect.apply(run, this, parameters)
  if (database === undefined) return make()
  if (sql.startsWith('BEGIN IMMEDIATE')) open.set(database, new Set())
  const events = open.get(database)
  if (sql.includes('INSERT INTO audit_events'))
    for (const one of parameters) if (typeof one === 'string') events?.add(one)
  // A reader commits too, and that is no commit point.
  if (sql !== 'COMMIT' || events === undefined) return make()
  open.delete(database)
  return hook === undefined ? make() : hook(make, events)
} as unknown as typeof run

/** `lost`: the disk fails before the commit is written. `landed`: the commit is on disk, and reported as failed. */
export type Failure = 'lost' | 'landed'

let failed = 0

/** How many commits were made to fail. */
export const failures = (): number => failed

/** The next commit that holds this audit event fails with the disk; once. */
export function failCommitOf(event: string, how: Failure): void {
  hookCommits((commit, events) => {
    if (!events.has(event)) return commit()
    hookCommits(undefined)
    failed++
    if (how === 'landed') commit()
    throw sqliteError(IOERR_FSYNC)
  })
}
