import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { LogError } from './log-error.ts'
import { FIRST_SEAL, fileName, listLogFiles, readHeader, readLogFile, sealOf } from './log-files.ts'
import { type LogRecord, type Mark, renderRecord, type SegmentHeader } from './log-records.ts'

/** A file is ended at this size or age, whichever comes first, so that old ones can go. */
const MAX_FILE_BYTES = 16 << 20
const MAX_FILE_MS = 86_400_000

/** Whose history is written, and up to where it was written. */
export interface LogPosition {
  readonly lineage: string
  readonly epoch: number
  readonly mark: Mark
}

interface State {
  readonly number: number
  readonly seal: string
  readonly bytes: number
  readonly keepUntil: Date
  readonly position: LogPosition
}

/** Appends to the log of one process. Never changes what was written; a failure leads to a new file. */
export class LogWriter {
  readonly #folder: string
  readonly #clock: Clock
  /** What is durable; undefined while the log is empty. */
  #durable: State | undefined
  /** What was written, durable or not. */
  #written: State | undefined
  #start: LogPosition | undefined
  #file: { readonly handle: FileHandle; readonly openedMs: number } | undefined

  private constructor(folder: string, clock: Clock, last: State | undefined) {
    this.#folder = folder
    this.#clock = clock
    this.#durable = last
    this.#written = last
  }

  /**
   * Opens a log for writing, of which the caller is the only writer.
   *
   * @throws {LogError} when the log is damaged
   */
  static async open(folder: string, clock: Clock): Promise<LogWriter> {
    const files = await listLogFiles(folder)
    let last = files.at(-1)
    if (last !== undefined && (await readHeader(last)) === undefined) {
      // A crash came between making the file and writing its first line.
      await rm(last.path)
      files.pop()
      last = files.at(-1)
    }
    if (last === undefined) return new LogWriter(folder, clock, undefined)
    const segment = await readLogFile(last, { marksOnly: true })
    if (segment === undefined) throw new LogError(`${last.path}: damaged in its first line; move the log away`)
    const { header, seal, bytes } = segment
    const newest = segment.records.at(-1)
    const mark = newest?.kind === 'mark' ? newest : undefined
    return new LogWriter(folder, clock, {
      number: header.number,
      seal,
      bytes,
      keepUntil: mark?.keepUntil ?? header.openedAt,
      position: { lineage: header.lineage, epoch: header.epoch, mark: mark ?? header.mark },
    })
  }

  /** Up to where the log was written; undefined while it is empty. */
  get position(): LogPosition | undefined {
    return this.#written?.position
  }

  /** The next append begins a new file, which goes on from here. */
  async startAt(position: LogPosition): Promise<void> {
    await this.#endFile()
    this.#start = position
    this.#goBack()
  }

  /**
   * Writes records and a mark behind them; durable after `sync`. After a failure everything since the last `sync` must
   * be appended again.
   *
   * @throws {LogError} when the disk refuses
   */
  async append(records: readonly LogRecord[], mark: Mark): Promise<void> {
    try {
      const handle = await this.#currentFile()
      const state = this.#written
      if (state === undefined) throw new Error('the log was not started')
      let { seal, bytes, keepUntil } = state
      let text = ''
      const add = (record: LogRecord): void => {
        const json = renderRecord(record)
        seal = sealOf(seal, json)
        text += `${seal} ${json}\n`
      }
      for (const record of records) {
        add(record)
        if (record.kind === 'certificate' && record.certificate.notAfter > keepUntil)
          keepUntil = record.certificate.notAfter
      }
      add({ kind: 'mark', id: mark.id, fingerprint: mark.fingerprint, keepUntil })
      const encoded = Buffer.from(text)
      await handle.appendFile(encoded)
      bytes += encoded.length
      this.#written = { ...state, seal, bytes, keepUntil, position: { ...state.position, mark } }
    } catch (cause) {
      throw await this.#fail(cause)
    }
  }

  /** @throws {LogError} like `append` */
  async sync(): Promise<void> {
    if (this.#file === undefined) return
    try {
      await this.#file.handle.datasync()
      this.#durable = this.#written
    } catch (cause) {
      throw await this.#fail(cause)
    }
  }

  /** Removes the oldest files of which everything ended `keepSeconds` ago, never the last one. @returns how many */
  async prune(keepSeconds: number): Promise<number> {
    const before = this.#clock.now().getTime() - keepSeconds * 1000
    let removed = 0
    const files = await listLogFiles(this.#folder)
    for (const [index, file] of files.entries()) {
      const next = files[index + 1]
      // When a file ended, and until when it matters, stands at the beginning of the next.
      const header = next && (await readHeader(next))
      if (header?.previous === undefined) break
      if (Math.max(header.openedAt.getTime(), header.previous.keepUntil.getTime()) > before) break
      await rm(file.path)
      removed++
    }
    return removed
  }

  async close(): Promise<void> {
    await this.#endFile()
  }

  async #currentFile(): Promise<FileHandle> {
    const state = this.#written
    if (state === undefined) throw new Error('the log was not started')
    const now = this.#clock.now()
    if (this.#file !== undefined) {
      const isFull = state.bytes >= MAX_FILE_BYTES || now.getTime() - this.#file.openedMs >= MAX_FILE_MS
      if (!isFull) return this.#file.handle
      await this.sync()
      await this.#endFile()
    }
    const { number, seal, bytes, keepUntil, position } = state
    const header: SegmentHeader = {
      kind: 'segment',
      version: 1,
      number: number + 1,
      openedAt: now,
      ...position,
      ...(number > 0 && { previous: { seal, bytes, keepUntil } }),
    }
    const json = renderRecord(header)
    const first = sealOf(seal, json)
    const line = Buffer.from(`${first} ${json}\n`)
    const handle = await this.#create(join(this.#folder, fileName(header.number)))
    this.#file = { handle, openedMs: now.getTime() }
    await handle.appendFile(line)
    this.#written = { number: header.number, seal: first, bytes: line.length, keepUntil: now, position }
    return handle
  }

  async #create(path: string): Promise<FileHandle> {
    const handle = await open(path, 'ax', 0o600)
    const folder = await open(this.#folder, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
    return handle
  }

  async #endFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.handle.close()
  }

  /** What is not durable counts as not written; the next append begins a new file after what is. */
  async #fail(cause: unknown): Promise<LogError> {
    await this.#endFile().catch(() => undefined)
    this.#goBack()
    const last = (await listLogFiles(this.#folder).catch(() => [])).at(-1)
    if (last !== undefined && last.number > (this.#durable?.number ?? 0)) await rm(last.path).catch(() => undefined)
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new LogError(`${this.#folder}: the log cannot be written (${reason}); see to the disk`, { cause })
  }

  #goBack(): void {
    const durable = this.#durable
    const isSame = durable?.position.lineage === this.#start?.lineage
    const position = isSame ? (durable?.position ?? this.#start) : this.#start
    if (position === undefined) return
    this.#written = {
      number: durable?.number ?? 0,
      seal: durable?.seal ?? FIRST_SEAL,
      bytes: durable?.bytes ?? 0,
      keepUntil: durable?.keepUntil ?? this.#clock.now(),
      position,
    }
  }
}

/**
 * Makes the folder of a log, for its owner alone.
 *
 * @throws {LogError} when it cannot be used
 */
export async function prepareLogFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const { mode } = await stat(folder)
    if (process.platform === 'win32' || (mode & 0o077) === 0) return
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new LogError(`${folder}: cannot be made (${reason}); see issuanceLog.path`, { cause })
  }
  throw new LogError(`${folder}: others can reach it. Run: chmod 700 ${folder}`)
}
