import { hash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ResolvedConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import { decodePem } from '../lib/pem.ts'
import { type BackedUpFile, BackupError, DATABASE_NAME, MANIFEST_NAME, type Manifest } from '../recovery/manifest.ts'
import type { PostgresPlace } from '../store/postgres/long-transaction.ts'
import { snapshot } from '../store/sqlite/snapshot-thread.ts'
import { filesToBackUp, issuerCertificates } from './backup-files.ts'
import { sha256OfFile } from './file-digest.ts'
import { exists, type Home, replaceFile, syncFolder } from './home.ts'

export interface BackupOptions {
  readonly home: Home
  readonly config: ResolvedConfig
  /** A folder that exists gets the backup as a folder of its own, named by the time; any other path becomes it. */
  readonly to: string
  readonly withKeys: boolean
  readonly version: string
  readonly clock: Clock
  /** Cuts the copy of the database short; then there is no backup. */
  readonly signal?: AbortSignal
}

export interface Backup {
  readonly path: string
  readonly manifest: Manifest
  /** Hex SHA-256 of the manifest, which holds the hashes of everything else. */
  readonly manifestSha256: string
  /** Private keys in it that no passphrase protects. */
  readonly plainKeys: readonly string[]
}

/**
 * Makes a backup while the server may be running. It appears under its name when it is complete, durable and was looked
 * over; before that there is at most a folder that ends in `.partial`.
 *
 * @throws {BackupError | StoreError}
 */
export async function createBackup(options: BackupOptions): Promise<Backup> {
  const { home, config, clock } = options
  const now = clock.now()
  const path = await chooseName(options.to, now)
  const partial = join(dirname(path), `.${basename(path)}.${process.pid}.partial`)
  try {
    await mkdir(partial, { recursive: true, mode: 0o700 })
    const facts = await snapshot(
      { from: await databaseToCopy(config), path: join(partial, DATABASE_NAME) },
      options.signal,
    )
    const files: BackedUpFile[] = []
    const plainKeys: string[] = []
    for (const file of await filesToBackUp(home, config, options)) {
      const content = await readFile(file.from)
      await mkdir(dirname(join(partial, file.path)), { recursive: true, mode: 0o700 })
      await replaceFile(join(partial, file.path), content, 0o600)
      files.push({ path: file.path, bytes: content.length, sha256: hash('sha256', content, 'hex'), mode: file.mode })
      if (isPlainKey(file.path, content.toString('latin1'))) plainKeys.push(file.path)
    }
    const issuers = [...(await issuerCertificates(home))].flatMap(([name, { subjectKeyId }]) =>
      subjectKeyId === undefined ? [] : [[name, subjectKeyId.toString('hex')]],
    )
    const manifest: Manifest = {
      format: 'chancery-backup-1',
      version: options.version,
      createdAt: now,
      ...((await exists(home.rootPem)) && { rootSha256: await rootDigest(home) }),
      issuers: Object.fromEntries(issuers),
      files,
      database: {
        ...(await sha256OfFile(join(partial, DATABASE_NAME))),
        schema: facts.schema,
        epoch: facts.epoch,
        newestEvent: facts.newestEvent?.id ?? 0,
        counts: facts.counts,
        crlNumbers: facts.crlNumbers,
      },
      notIncluded: notIncluded(options),
    }
    const text = `${JSON.stringify(manifest, undefined, 2)}\n`
    await replaceFile(join(partial, MANIFEST_NAME), text, 0o600)
    await syncFolder(partial)
    await rename(partial, path)
    await syncFolder(dirname(path))
    return { path, manifest, manifestSha256: hash('sha256', text, 'hex'), plainKeys }
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    if (error instanceof Error && 'code' in error && typeof error.code === 'string' && /^E[A-Z]+$/.test(error.code))
      throw new BackupError(`${path}: the backup could not be written (${error.message})`, { cause: error })
    throw error
  }
}

/** When the newest complete backup in a folder was made, by its name; undefined when there is none. */
export async function newestBackup(folder: string): Promise<Date | undefined> {
  const name = (await completeBackups(folder)).at(-1)
  const [, year, month, day, hour, minute, second] =
    /^chancery-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(name ?? '') ?? []
  if (year === undefined) return undefined
  return new Date(Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`))
}

/** Removes backups that this made into `folder`, but for the newest `keep`, and what crashes left. @returns how many */
export async function pruneBackups(folder: string, keep: number, now: Date): Promise<number> {
  const complete = await completeBackups(folder)
  const old = complete.slice(0, Math.max(0, complete.length - keep))
  for (const name of old) await rm(join(folder, name), { recursive: true })
  for (const name of (await readdir(folder)).filter((one) => LEFT_OVER.test(one))) {
    const { mtimeMs } = await stat(join(folder, name))
    if (now.getTime() - mtimeMs > DAY_MS) await rm(join(folder, name), { recursive: true })
  }
  return old.length
}

async function completeBackups(folder: string): Promise<string[]> {
  const complete: string[] = []
  for (const name of (await readdir(folder)).sort())
    if (NAME.test(name) && (await exists(join(folder, name, MANIFEST_NAME)))) complete.push(name)
  return complete
}

const NAME = /^chancery-\d{8}T\d{6}Z(?:-\d+)?$/
const LEFT_OVER = /^\.chancery-\d{8}T\d{6}Z(?:-\d+)?\.\d+\.partial$/
const DAY_MS = 86_400_000

async function databaseToCopy({ database }: ResolvedConfig): Promise<string | PostgresPlace> {
  if (database.engine === 'postgres') return { address: database.address, settings: database.settings }
  if (await exists(database.path)) return database.path
  throw new BackupError(`${database.path}: there is no database to back up yet`)
}

async function chooseName(to: string, now: Date): Promise<string> {
  if (!(await exists(to))) {
    if (!(await exists(dirname(to)))) throw new BackupError(`${dirname(to)}: there is no such folder`)
    return to
  }
  if (!(await stat(to)).isDirectory()) throw new BackupError(`${to}: exists already; a backup never replaces anything`)
  const name = join(to, `chancery-${now.toISOString().replace(/[-:]|\.\d+/g, '')}`)
  for (let attempt = 1; ; attempt++) {
    const path = attempt === 1 ? name : `${name}-${attempt}`
    if (!(await exists(path))) return path
  }
}

async function rootDigest(home: Home): Promise<string> {
  const [root] = decodePem(await readFile(home.rootPem, 'utf8'))
  return hash('sha256', root?.der ?? Buffer.alloc(0), 'hex')
}

function isPlainKey(path: string, content: string): boolean {
  if (path.endsWith('.key.pem')) return !content.includes('ENCRYPTED')
  return path === 'keys/storage.key' && content.includes(' plain ')
}

/** Files that only a connection to a database server needs. */
function databaseSecrets({ database }: ResolvedConfig): string[] {
  if (database.engine === 'sqlite') return []
  const { passwordFile, caFile, certFile, keyFile } = database.settings
  const files = [passwordFile, caFile, certFile, keyFile].filter((file) => file !== undefined)
  return files.length === 0 ? [] : [`what opens the database server: ${files.join(', ')}`]
}

function notIncluded({ config, withKeys }: BackupOptions): string[] {
  const { passphraseFile } = config.keys
  return [
    'the root key and its passphrase, which belong offline',
    ...(passphraseFile === undefined ? [] : [`the passphrase of the online keys, in ${passphraseFile}`]),
    ...databaseSecrets(config),
    ...(withKeys ? [] : ['the online keys, in keys/: this backup was made without them']),
    'settings that were given by --set',
    "the certificates' own log, which is kept apart so that it outlives the database",
  ]
}
