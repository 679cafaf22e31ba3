import { Fields } from './fields.ts'
import { LogError } from './log-error.ts'

/** The name of the file in a backup that says what else is in it. */
export const MANIFEST_NAME = 'manifest.json'
/** The name of the database in a backup. */
export const DATABASE_NAME = 'chancery.db'

export interface BackedUpFile {
  /** Relative to the state folder and to the backup alike, with `/`. */
  readonly path: string
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
  /** 0600 for secrets, 0644 for what everybody may read. */
  readonly mode: 0o600 | 0o644
}

/** What a backup is of and holds, so that it can be checked before it is relied on. */
export interface Manifest {
  readonly format: 'chancery-backup-1'
  /** Version of Chancery that made it. */
  readonly version: string
  readonly createdAt: Date
  /** SHA-256 of the root certificate, hex; absent before there is a CA. */
  readonly rootSha256?: string
  /** Id of each issuing CA whose certificate is in it, by name. */
  readonly issuers: Readonly<Record<string, string>>
  readonly files: readonly BackedUpFile[]
  /** Of the copy in `DATABASE_NAME`, whatever engine it was made of; absent in a backup of files alone. */
  readonly database?: {
    readonly bytes: number
    readonly sha256: string
    readonly schema: number
    readonly epoch: number
    readonly newestEvent: number
    readonly counts: Readonly<Record<string, number>>
    readonly crlNumbers: Readonly<Record<string, string>>
  }
  /** What the restored CA needs besides, in words. */
  readonly notIncluded: readonly string[]
}

/** A backup cannot be used; the message says why. */
export class BackupError extends Error {}

const SHA256 = /^[0-9a-f]{64}$/
/** Plain names below the state folder, so that no backup writes anywhere else. */
const FILE_PATH = /^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,120}\/){0,4}[A-Za-z0-9][A-Za-z0-9._-]{0,120}$/
/** What lies there is never in a backup, whoever made it. */
const FORBIDDEN = /^(?:offline|restore\.[a-z]+)\/|\.db(?:-[a-z]+|\.lock)?$/

/** @throws {BackupError} when the text is not a manifest of this version */
export function parseManifest(text: string, where: string): Manifest {
  try {
    const fields = new Fields(JSON.parse(text), 'the manifest')
    const format = fields.text('format')
    if (format !== 'chancery-backup-1')
      throw new LogError(`its format is ${format.slice(0, 40)}; a newer Chancery reads it`)
    const rootSha256 = fields.optionalText('rootSha256')
    const database = fields.optionalInner('database')
    return {
      format,
      version: fields.text('version'),
      createdAt: fields.date('createdAt'),
      ...(rootSha256 !== undefined && { rootSha256 }),
      issuers: texts(fields.inner('issuers')),
      files: fields.list('files').map(parseFile),
      ...(database && {
        database: {
          bytes: database.count('bytes'),
          sha256: hex(database, 'sha256'),
          schema: database.count('schema'),
          epoch: database.count('epoch'),
          newestEvent: database.count('newestEvent'),
          counts: counts(database.inner('counts')),
          crlNumbers: texts(database.inner('crlNumbers')),
        },
      }),
      notIncluded: fields.texts('notIncluded'),
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new BackupError(`${where}: not a manifest of a backup (${reason})`, { cause })
  }
}

/** Whether a file of this path, relative to the state folder, may be in a backup. */
export function isFilePath(path: string): boolean {
  return FILE_PATH.test(path) && !FORBIDDEN.test(path) && path !== MANIFEST_NAME
}

function parseFile(fields: Fields): BackedUpFile {
  const path = fields.text('path')
  if (!isFilePath(path))
    throw new LogError(`it names a file that no backup holds: ${JSON.stringify(path).slice(0, 80)}`)
  return {
    path,
    bytes: fields.count('bytes'),
    sha256: hex(fields, 'sha256'),
    mode: fields.count('mode') === 0o644 ? 0o644 : 0o600,
  }
}

function hex(fields: Fields, name: string): string {
  const text = fields.text(name)
  if (!SHA256.test(text)) throw new LogError(`${name} is not a SHA-256`)
  return text
}

function texts(fields: Fields): Record<string, string> {
  return Object.fromEntries(Object.keys(fields.value).map((name) => [name, fields.text(name)]))
}

function counts(fields: Fields): Record<string, number> {
  return Object.fromEntries(Object.keys(fields.value).map((name) => [name, fields.count(name)]))
}
