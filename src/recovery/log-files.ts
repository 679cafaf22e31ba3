import { hash } from 'node:crypto'
import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LogError } from './log-error.ts'
import { type LogRecord, MAX_RECORD_BYTES, parseRecord, type SegmentHeader } from './log-records.ts'

/**
 * The log is a folder of files, each of lines: a seal, a space, a record as JSON. The seal is a hash over the line and
 * the seal before it, across files, so that nothing can be changed, left out or put in between unnoticed; and the end of
 * a line that was cut off by a crash is told from a whole one.
 */
const FILE_NAME = /^issued-(\d{8})\.log$/
const SEAL_LENGTH = 32
const NEWLINE = 0x0a
/** Files end at 16 MiB; one that is larger by far was not written by us. */
const MAX_FILE_BYTES = 256 << 20

/** Stands before the first line of a log. */
export const FIRST_SEAL = '0'.repeat(SEAL_LENGTH)

export function fileName(number: number): string {
  return `issued-${String(number).padStart(8, '0')}.log`
}

/** @returns the seal of the line `record` that follows a line with the seal `previous` */
export function sealOf(previous: string, record: string): string {
  return hash('sha256', `${previous} ${record}`, 'hex').slice(0, SEAL_LENGTH)
}

export interface LogFile {
  readonly path: string
  readonly number: number
}

/**
 * The files of a log, oldest first; empty when the folder is absent.
 *
 * @throws {LogError} when one is missing between others
 */
export async function listLogFiles(folder: string): Promise<LogFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[]
    throw new LogError(`${folder}: cannot be listed (${error.code ?? error.message})`, { cause: error })
  })
  const files = names
    .map((name) => ({ path: join(folder, name), number: Number(FILE_NAME.exec(name)?.[1] ?? 0) }))
    .filter(({ number }) => number > 0)
    .sort((a, b) => a.number - b.number)
  for (const [index, { number }] of files.entries()) {
    const before = files[index - 1]?.number
    if (before !== undefined && number !== before + 1)
      throw new LogError(`${folder}: ${fileName(before + 1)} is missing between the others`)
  }
  return files
}

export interface LogSegment {
  readonly file: LogFile
  readonly header: SegmentHeader
  /** Without the header. */
  readonly records: readonly LogRecord[]
  /** Seal of the last whole line, and where it ends. */
  readonly seal: string
  readonly bytes: number
  /** Bytes after it: a line that a crash cut off. */
  readonly tornBytes: number
}

/**
 * Reads one file: its whole lines, up to the first that is cut off or does not fit its seal.
 *
 * @param options.marksOnly reads no other records, for a look at the end of the log
 * @param options.until how many bytes a later file says that this one has; what follows was cut off and counts for nothing
 * @returns undefined when not even the header is whole
 * @throws {LogError} when it is damaged before `until`, or not of this version
 */
export async function readLogFile(
  file: LogFile,
  { until, marksOnly = false }: { readonly until?: number | undefined; readonly marksOnly?: boolean } = {},
): Promise<LogSegment | undefined> {
  const bytes = await readBounded(file.path)
  const readable = until === undefined ? bytes : bytes.subarray(0, until)
  let at = 0
  let seal: string | undefined
  let header: SegmentHeader | undefined
  const records: LogRecord[] = []
  while (at < readable.length) {
    const end = readable.indexOf(NEWLINE, at)
    if (end < 0 || end - at > MAX_RECORD_BYTES) break
    const line = readable.toString('utf8', at, end)
    const text = line.slice(SEAL_LENGTH + 1)
    const claimed = line.slice(0, SEAL_LENGTH)
    // The first line says which seal it follows.
    const record: LogRecord | undefined = seal === undefined ? tryParse(text) : undefined
    const before: string | undefined =
      seal ?? (record?.kind === 'segment' ? (record.previous?.seal ?? FIRST_SEAL) : undefined)
    if (before === undefined || line[SEAL_LENGTH] !== ' ' || sealOf(before, text) !== claimed) break
    if (header === undefined) {
      header = parseFirst(text, file)
    } else if (!marksOnly || text.startsWith('{"kind":"mark"')) {
      records.push(parseWhole(text, file, at))
    }
    seal = claimed
    at = end + 1
  }
  if (until !== undefined && at < until) {
    throw new LogError(
      `${file.path}: damaged at byte ${at}; what it holds after that cannot be trusted. Give an undamaged copy of the log, or restore without it`,
    )
  }
  if (header === undefined || seal === undefined) return undefined
  return { file, header, records, seal, bytes: at, tornBytes: bytes.length - at }
}

/**
 * Reads a log, file by file, and checks that the files follow each other.
 *
 * @param options.marksOnly like that of `readLogFile`
 * @param options.from number of the first file to read; default: the oldest
 * @throws {LogError} when it is damaged anywhere but at its very end
 */
export async function* readLog(
  folder: string,
  { marksOnly = false, from = 0 }: { readonly marksOnly?: boolean; readonly from?: number } = {},
): AsyncGenerator<LogSegment, void, undefined> {
  const files = (await listLogFiles(folder)).filter(({ number }) => number >= from)
  const headers = await Promise.all(files.map(readHeader))
  // A crash may leave a last file without a whole header.
  while (headers.length > 0 && headers.at(-1) === undefined) headers.pop()
  for (const [index, header] of headers.entries()) {
    const file = files[index]
    if (file === undefined || header === undefined)
      throw new LogError(`${file?.path ?? folder}: has no readable beginning, and further files follow it`)
    const next = headers[index + 1]
    const segment = await readLogFile(file, { until: next?.previous?.bytes, marksOnly })
    if (segment === undefined) throw new LogError(`${file.path}: has no readable beginning`)
    if (next !== undefined && next.previous?.seal !== segment.seal)
      throw new LogError(`${file.path}: the file after it does not follow it; the log was put together from others`)
    yield segment
  }
}

/** Only the first line of a file; undefined when it is not whole. */
export async function readHeader(file: LogFile): Promise<SegmentHeader | undefined> {
  const handle = await open(file.path, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, 0)
    const end = buffer.subarray(0, bytesRead).indexOf(NEWLINE)
    if (end < 0) return undefined
    const record = tryParse(buffer.toString('utf8', SEAL_LENGTH + 1, end))
    return record?.kind === 'segment' ? record : undefined
  } finally {
    await handle.close()
  }
}

async function readBounded(path: string): Promise<Buffer> {
  const bytes = await readFile(path)
  if (bytes.length > MAX_FILE_BYTES) throw new LogError(`${path}: is too large to be a file of this log`)
  return bytes
}

function tryParse(text: string): LogRecord | undefined {
  try {
    return parseRecord(text)
  } catch {
    return undefined
  }
}

function parseFirst(text: string, file: LogFile): SegmentHeader {
  const record = parseWhole(text, file, 0)
  if (record.kind !== 'segment' || record.number !== file.number)
    throw new LogError(`${file.path}: does not begin as the log's file of that name does`)
  return record
}

function parseWhole(text: string, file: LogFile, at: number): LogRecord {
  try {
    return parseRecord(text)
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    throw new LogError(`${file.path}: the line at byte ${at} is sealed, but cannot be read: ${error.message}`, {
      cause: error,
    })
  }
}
