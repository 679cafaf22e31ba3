import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type CheckpointThread, COPY, MEASURE } from '../../src/store/sqlite/checkpointer.ts'
import { type Connect, prepareCheckpoints } from '../../src/store/sqlite/connection.ts'
import { IOERR_FSYNC, sqliteError } from '../support/faulty-database.ts'
import { type Process, ProcessDied } from './machine.ts'

const SQLITE_FULL = 13
const SQLITE_BUSY = 5
/** What a commit adds to the write-ahead log, about. The true number depends on the lengths of signatures, which no seed decides. */
const PAGES_OF_A_COMMIT = 14

/** What becomes of one commit. Killed before it, it is lost; killed after it, it has landed and nobody was told. */
export type CommitFate = 'kept' | 'killed-before' | 'killed-after' | 'full' | 'landed-but-failed'

/**
 * The disk of the machine: real SQLite files (in memory where the system has such a folder), real transactions. What
 * was committed is there for the next process; what was not is gone with the process that began it.
 */
export class SimDisk {
  readonly path: string
  /** Asked at each commit that changes something. */
  fateOfCommit: (process: Process) => CommitFate = () => 'kept'
  /** True while another program holds the database. */
  isBusy: () => boolean = () => false
  /** Commits that changed something. */
  commits = 0
  /** How many of them were made before the write-ahead log was copied last. */
  #copied = 0
  readonly #folder: string
  #outside: DatabaseSync | undefined

  constructor() {
    this.#folder = mkdtempSync(join(fastFolder(), 'chancery-simulation-'))
    this.path = join(this.#folder, 'chancery.db')
  }

  /** How a process opens its database. */
  connect(process: Process): Connect {
    return (path, { readOnly }) => new ProcessConnection(path, readOnly, process, this)
  }

  /** Copies the write-ahead log to the database, on a thread that is simulated too. */
  checkpoints(process: Process): CheckpointThread {
    const connection = new ProcessConnection(this.path, false, process, this)
    prepareCheckpoints(connection)
    return {
      copy: async () => {
        await process.clock.sleep(50)
        connection.exec(COPY)
        this.#copied = this.commits
      },
      async close() {
        if (connection.isOpen) connection.close()
      },
    }
  }

  /** Length of the write-ahead log in pages, as the seed has it. */
  get logPages(): number {
    return (this.commits - this.#copied) * PAGES_OF_A_COMMIT
  }

  /** What is committed, seen from outside of all processes. */
  outside<Row>(sql: string, ...params: (string | number | null)[]): Row[] {
    this.#outside ??= new DatabaseSync(this.path, { readOnly: true, timeout: 0 })
    let statement = this.#prepared.get(sql)
    if (statement === undefined) {
      statement = this.#outside.prepare(sql)
      this.#prepared.set(sql, statement)
    }
    return statement.all(...params) as Row[]
  }
  readonly #prepared = new Map<string, StatementSync>()

  /** The first row, for somebody who looks for the reason. */
  describe(sql: string, ...params: (string | number | null)[]): string {
    const [row] = this.outside<Record<string, unknown>>(sql, ...params)
    const short = Object.entries(row ?? {}).filter(([, value]) => value !== null && !(value instanceof Uint8Array))
    return JSON.stringify(Object.fromEntries(short))
  }

  /** Keeps a copy of what is committed now, for a disk that forgets (a planted fault). */
  keepCopy(): void {
    const checkpoint = new DatabaseSync(this.path)
    checkpoint.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    checkpoint.close()
    copyFileSync(this.path, `${this.path}.copy`)
  }

  /** Goes back to the last copy, as a disk does that answers before it has written. Only while no process runs. */
  fallBack(): void {
    this.#closeOutside()
    for (const suffix of ['-wal', '-shm']) rmSync(this.path + suffix, { force: true })
    copyFileSync(`${this.path}.copy`, this.path)
  }

  get bytes(): number {
    return statSync(this.path).size
  }

  remove(): void {
    this.#closeOutside()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #closeOutside(): void {
    this.#prepared.clear()
    this.#outside?.close()
    this.#outside = undefined
  }
}

/** A connection that dies with its process, uncommitted work and all. */
class ProcessConnection extends DatabaseSync {
  readonly #process: Process
  readonly #disk: SimDisk
  readonly #readOnly: boolean
  #changed = false

  constructor(path: string, readOnly: boolean, process: Process, disk: SimDisk) {
    super(path, { readOnly, timeout: 0, enableForeignKeyConstraints: true })
    this.#process = process
    this.#disk = disk
    this.#readOnly = readOnly
    process.onDeath(() => {
      if (this.isOpen) this.close()
    })
  }

  override prepare(sql: string): StatementSync {
    this.#mustLive()
    const statement = super.prepare(sql)
    if (this.#readOnly) return statement
    const run = statement.run.bind(statement)
    const isBegin = sql.startsWith('BEGIN')
    const wrapped = (...params: Parameters<StatementSync['run']>): ReturnType<StatementSync['run']> => {
      this.#mustLive()
      if (sql === 'COMMIT') return this.#commit(run)
      if (isBegin && this.#disk.isBusy()) throw sqliteError(SQLITE_BUSY, 'database is locked')
      const result = run(...params)
      if (result.changes !== 0) this.#changed = true
      return result
    }
    statement.run = wrapped as StatementSync['run']
    if (sql === MEASURE) statement.get = () => ({ log: this.#disk.logPages })
    // Some changes come with an answer (RETURNING), and so by get or all.
    for (const name of ['get', 'all'] as const) {
      const read = statement[name].bind(statement) as StatementSync['get']
      const noting = (...params: Parameters<StatementSync['get']>) => {
        this.#mustLive()
        if (/RETURNING/.test(sql)) this.#changed = true
        return read(...params)
      }
      statement[name] = noting as never
    }
    return statement
  }

  #commit(run: StatementSync['run']): ReturnType<StatementSync['run']> {
    if (!this.#changed) return run()
    this.#changed = false
    this.#disk.commits++
    const fate = this.#disk.fateOfCommit(this.#process)
    switch (fate) {
      case 'kept':
        return run()
      case 'killed-before':
        this.#process.kill()
        throw new ProcessDied()
      case 'killed-after':
        run()
        this.#process.kill()
        throw new ProcessDied()
      case 'full':
        throw sqliteError(SQLITE_FULL, 'database or disk is full')
      case 'landed-but-failed':
        run()
        throw sqliteError(IOERR_FSYNC)
      default:
        return fate satisfies never
    }
  }

  #mustLive(): void {
    if (!this.#process.isAlive) throw new ProcessDied()
  }
}

function fastFolder(): string {
  try {
    return statSync('/dev/shm').isDirectory() ? '/dev/shm' : tmpdir()
  } catch {
    return tmpdir()
  }
}
