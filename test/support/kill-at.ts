import { appendFileSync, existsSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'

/**
 * Loaded before the server by `--import`, to end it as a power cut would, at an exact place. `CHANCERY_TEST_KILL` is
 * one of
 *
 * - `before order.created`, `after order.created`: in front of the first commit that holds this audit event, or behind
 *   it, when nobody has heard of the commit yet
 * - `before commit 12`, `after commit 12`: the same for the twelfth commit of the process, whatever it holds
 * - `inside commit 12 0.4`: from another thread, so many milliseconds after that commit has begun: in the middle of
 *   its writes, its fsync or its checkpoint
 * - `before checkpoint 2`, `after checkpoint 2`, `inside checkpoint 2 0.4`: the same for the second time that pages of
 *   the log are copied to the database, by whatever thread
 * - `before signing 3`, `after signing 3`: around the third use of a private key
 *
 * `CHANCERY_TEST_SIGNED` names a file that gets every message that was signed, in hex, a line each, before the
 * signature is used. `CHANCERY_TEST_LOG_FACTOR` makes the log look so many times as long as it is, so that its pages are
 * copied more often. While the file that `CHANCERY_TEST_FULL` names exists, databases cannot grow, as on a full disk.
 */
const [when, what, ...rest] = (process.env['CHANCERY_TEST_KILL'] ?? '').split(' ')
const nth = Number(rest[0] ?? 1)
const signedFile = process.env['CHANCERY_TEST_SIGNED']
const fullFile = process.env['CHANCERY_TEST_FULL']
const logFactor = Number(process.env['CHANCERY_TEST_LOG_FACTOR'] ?? 1)

const die = (): void => void process.kill(process.pid, 'SIGKILL')

/** Connections with a transaction that writes; a reader commits too, and that is no commit point. */
const writing = new Set<DatabaseSync>()
const owners = new WeakMap<StatementSync, DatabaseSync>()
let commits = 0
let checkpoints = 0
let holdsEvent = false

/** The thread that kills in the middle of a commit: it spins, because a timer is too coarse. */
function startKiller(delayMs: number): () => void {
  const flag = new Int32Array(new SharedArrayBuffer(4))
  const source = `
    const { workerData } = require('node:worker_threads')
    Atomics.wait(workerData.flag, 0, 0)
    const until = performance.now() + workerData.delayMs
    while (performance.now() < until);
    process.kill(process.pid, 'SIGKILL')`
  // Without the environment: this file must not load itself again there.
  new Worker(source, { eval: true, env: {}, execArgv: [], workerData: { flag, delayMs } }).unref()
  return () => {
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
  }
}

const release = when === 'inside' ? startKiller(Number(rest[1] ?? 0)) : undefined

/** Runs a statement of a writing connection, and dies around it when its time has come. */
function around<T>(database: DatabaseSync | undefined, sql: string, run: () => T): T {
  if (database === undefined) return run()
  if (sql.startsWith('BEGIN IMMEDIATE')) {
    // SQLite takes the number of pages there are when it is asked for fewer.
    if (fullFile !== undefined && existsSync(fullFile)) exec.call(database, 'PRAGMA max_page_count = 1')
    writing.add(database)
  }
  if (sql.startsWith('ROLLBACK') && !sql.startsWith('ROLLBACK TO')) writing.delete(database)
  if (sql.includes('wal_checkpoint(PASSIVE)')) return dieAround(what === 'checkpoint' && ++checkpoints === nth, run)
  if (sql !== 'COMMIT' || !writing.delete(database)) return run()
  commits++
  return dieAround(what === 'commit' ? commits === nth : holdsEvent, run)
}

function dieAround<T>(isDue: boolean, run: () => T): T {
  if (isDue && when === 'before') die()
  if (isDue) release?.()
  const result = run()
  if (isDue && when === 'after') die()
  return result
}

const { exec, prepare } = DatabaseSync.prototype
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string): void {
  around(this, sql, () => exec.call(this, sql))
}
DatabaseSync.prototype.prepare = function (this: DatabaseSync, ...parameters: Parameters<typeof prepare>) {
  const statement = prepare.apply(this, parameters)
  owners.set(statement, this)
  return statement
}

const { run } = StatementSync.prototype
let events = 0
StatementSync.prototype.run = function (this: StatementSync, ...parameters: unknown[]) {
  const sql = this.sourceSQL
  if (sql.includes('INSERT INTO audit_events') && parameters.includes(what) && ++events === nth) holdsEvent = true
  return around(owners.get(this), sql, () => Reflect.apply(run, this, parameters))
} as unknown as typeof run

const { get } = StatementSync.prototype
StatementSync.prototype.get = function (this: StatementSync, ...parameters: unknown[]) {
  const sql = this.sourceSQL
  const row = around(owners.get(this), sql, () => Reflect.apply(get, this, parameters))
  return sql.includes('wal_checkpoint(NOOP)') && row !== undefined
    ? { ...row, log: Number(row['log']) * logFactor }
    : row
} as unknown as typeof get

if (signedFile !== undefined || what === 'signing') watchSigning()

function watchSigning(): void {
  const crypto = createRequire(import.meta.url)('node:crypto') as { sign: (...parameters: unknown[]) => unknown }
  const { sign } = crypto
  let signings = 0
  crypto.sign = (...parameters) => {
    const isDue = what === 'signing' && ++signings === nth
    if (isDue && when === 'before') die()
    const message = Buffer.from(parameters[1] as Uint8Array).toString('hex')
    if (signedFile !== undefined) appendFileSync(signedFile, `${message}\n`)
    const done = parameters.at(-1)
    if (typeof done === 'function' && isDue) {
      // The signature is made on another thread, and nobody has it yet.
      return sign(...parameters.slice(0, -1), () => die())
    }
    const signature = sign(...parameters)
    if (isDue && when === 'after') die()
    return signature
  }
  syncBuiltinESMExports()
}
