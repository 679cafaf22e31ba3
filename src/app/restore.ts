import { hash } from 'node:crypto'
import { chmod, copyFile, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { DatabaseConfig, ResolvedConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import { decodePem } from '../lib/pem.ts'
import type { Random } from '../lib/random.ts'
import { listLogFiles } from '../recovery/log-files.ts'
import { BackupError, DATABASE_NAME, type Manifest } from '../recovery/manifest.ts'
import { type RecoveryReport, recover } from '../recovery/recover.ts'
import { ServerLock } from '../store/sqlite/lock.ts'
import { sealSnapshot } from '../store/sqlite/snapshot.ts'
import type { Store } from '../store/store.ts'
import type { ParsedCertificate } from '../x509/certificate.ts'
import { byId, FOREIGN_CONFIGURATION, issuerCertificates } from './backup-files.ts'
import { exists, type Home, homeAt, openHome, refuseHalfRestored } from './home.ts'
import { openStore } from './open-store.ts'
import {
  commitPlan,
  dropStaging,
  finishPlan,
  isRestoreCutShort,
  type Move,
  newStaging,
  readyPath,
} from './restore-plan.ts'
import { reportName, writeReport } from './restore-report.ts'
import { sqlitePath } from './sqlite-path.ts'
import { verifyBackup } from './verify-backup.ts'

export interface RestoreOptions {
  readonly homePath: string
  /** Reads the configuration that will be in effect; `file` stands in for the one in the state folder. */
  readonly readConfig: (file: string | undefined) => Promise<ResolvedConfig>
  /** Folders of logs of this CA; undefined: the one of the configuration, when it is there. */
  readonly logs: readonly string[] | undefined
  readonly crlNumbers: (issuers: ReadonlyMap<string, ParsedCertificate>) => Promise<ReadonlyMap<string, bigint>>
  readonly keepEabKeys: boolean
  readonly clock: Clock
  readonly random: Random
}

export interface Restored {
  readonly report: RecoveryReport
  /** The file with the list of what came back and what did not. */
  readonly reportFile: string
  /** What the backup did not hold and the start will need. */
  readonly notIncluded: readonly string[]
  /** Where the files that were there before stand now. */
  readonly asideFolder?: string
}

/**
 * Puts a backup into a state folder. Until everything is prepared beside it nothing there changes; a crash later is
 * mended by `finishRestore`.
 *
 * @throws {BackupError | HomeError | LogError | StoreError | ConfigError}
 */
export async function restoreBackup(
  from: string,
  options: RestoreOptions & { readonly replace: boolean },
): Promise<Restored> {
  const { homePath, clock } = options
  await refuseHalfRestored(homePath)
  const manifest = await verifyBackup(from)
  if (manifest.database === undefined) throw new BackupError(`${from}: holds no database`)
  const home = await openHome(homePath)
  await mustBeSameCa(home, manifest)
  const staging = await newStaging(homePath)
  try {
    for (const file of manifest.files) await copyInto(join(from, file.path), join(staging, file.path), file.mode)
    const config = await options.readConfig(await stagedConfiguration(staging))
    const staged = `${sqlitePath(config)}.restoring`
    await mkdir(dirname(staged), { recursive: true, mode: 0o700 })
    // Nothing may be served from the old files while they are replaced.
    const lock = ServerLock.take(sqlitePath(config))
    let isDecided = false
    const dropStaged = async (): Promise<void> => {
      for (const suffix of ['', '-wal', '-shm', '-journal', '.lock']) await rm(`${staged}${suffix}`, { force: true })
    }
    try {
      const stamp = clock
        .now()
        .toISOString()
        .replace(/[-:]|\.\d+/g, '')
      const asideFolder = join(homePath, `replaced-${stamp}`)
      const aside = await whatStandsInTheWay(home, config, manifest, asideFolder)
      if (aside.length > 0 && !options.replace) {
        throw new BackupError(
          `${homePath} is not empty: ${aside.map((one) => one.from).join(', ')}. Restore into another state folder, or ` +
            'give --replace to have these moved aside',
        )
      }
      await dropStaged()
      await copyInto(join(from, DATABASE_NAME), staged, 0o600)
      const report = await recoverDatabase(
        { engine: 'sqlite', path: staged },
        {
          ...options,
          config,
          issuers: byId(await issuerCertificates(homeAt(staging))),
          source: `backup of ${manifest.createdAt.toISOString()}`,
        },
      )
      await sealSnapshot(staged)
      await rm(`${staged}.lock`, { force: true })
      const reportFile = join(homePath, reportName(stamp))
      const place: Move[] = [
        ...manifest.files.map(({ path }) => ({ from: join(readyPath(homePath), path), to: join(homePath, path) })),
        { from: join(readyPath(homePath), reportName(stamp)), to: reportFile },
        { from: staged, to: sqlitePath(config) },
      ]
      await writeReport(join(staging, reportName(stamp)), report)
      await commitPlan(homePath, { aside, place })
      isDecided = true
      await finishPlan(homePath)
      return {
        report,
        reportFile,
        notIncluded: manifest.notIncluded,
        ...(aside.length > 0 && { asideFolder }),
      }
    } finally {
      if (!isDecided) await dropStaged()
      lock.release()
    }
  } finally {
    await dropStaging(homePath)
  }
}

/**
 * Ends a restore that was cut short.
 *
 * @returns false when there is none
 */
export async function finishRestore(homePath: string, config: ResolvedConfig): Promise<boolean> {
  if (!(await isRestoreCutShort(homePath))) return false
  const lock = ServerLock.take(sqlitePath(config))
  try {
    return await finishPlan(homePath)
  } finally {
    lock.release()
  }
}

/**
 * Does what a restore does to the database, where the database itself was put back by other means: by hand, by a file
 * system's snapshot, or by the tools of a database server.
 *
 * @throws {HomeError | LogError | StoreError}
 */
export async function restoreInPlace(options: RestoreOptions): Promise<Restored> {
  const { homePath, clock } = options
  const home = await openHome(homePath)
  const config = await options.readConfig(undefined)
  const report = await recoverDatabase(config.database, {
    ...options,
    config,
    issuers: byId(await issuerCertificates(home)),
    source: 'in place',
  })
  const stamp = clock
    .now()
    .toISOString()
    .replace(/[-:]|\.\d+/g, '')
  const reportFile = join(homePath, reportName(stamp))
  await writeReport(reportFile, report)
  return { report, reportFile, notIncluded: [] }
}

async function recoverDatabase(
  database: DatabaseConfig,
  options: RestoreOptions & {
    readonly config: ResolvedConfig
    readonly issuers: ReadonlyMap<string, ParsedCertificate>
    readonly source: string
  },
): Promise<RecoveryReport> {
  const { config, issuers, clock, random } = options
  if (database.engine === 'sqlite' && !(await exists(database.path)))
    throw new BackupError(`${database.path}: there is no database`)
  const crlNumbers = await options.crlNumbers(issuers)
  const logs = options.logs ?? (await ownLog(config))
  // A server of a SQLite file would be in the way; one of PostgreSQL is in a list.
  const store = await openStore(database, { clock, random, serves: database.engine === 'sqlite' })
  try {
    await mustBeAlone(store)
    const { keepEabKeys, source } = options
    return await recover({ store, logs, issuers, crlNumbers, keepEabKeys, source, clock, random })
  } finally {
    await store.close()
  }
}

async function mustBeAlone(store: Store): Promise<void> {
  const running = await store.instances.list()
  if (running.length === 0) return
  throw new BackupError(
    `servers work on this database: ${running.map(({ name }) => name).join(', ')}. Stop all of them first; one that ` +
      'died is forgotten two minutes after its last sign of life',
  )
}

async function ownLog(config: ResolvedConfig): Promise<string[]> {
  return (await listLogFiles(config.issuanceLog.path)).length === 0 ? [] : [config.issuanceLog.path]
}

async function stagedConfiguration(staging: string): Promise<string | undefined> {
  for (const name of ['chancery.yaml', FOREIGN_CONFIGURATION])
    if (await exists(join(staging, name))) return join(staging, name)
  return undefined
}

/** Another CA's certificates and keys are not to be mixed into this one's. */
async function mustBeSameCa(home: Home, manifest: Manifest): Promise<void> {
  if (!(await exists(home.rootPem)) || manifest.rootSha256 === undefined) return
  const [root] = decodePem(await readFile(home.rootPem, 'utf8'))
  if (root !== undefined && hash('sha256', root.der, 'hex') === manifest.rootSha256) return
  throw new BackupError(
    `${home.path} belongs to another CA than the backup: root.pem differs. Restore into an empty state folder`,
  )
}

async function whatStandsInTheWay(
  home: Home,
  config: ResolvedConfig,
  manifest: Manifest,
  asideFolder: string,
): Promise<Move[]> {
  const moves: Move[] = []
  for (const { path } of manifest.files) {
    const from = join(home.path, path)
    if (await exists(from)) moves.push({ from, to: join(asideFolder, path) })
  }
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    const from = `${sqlitePath(config)}${suffix}`
    // A database elsewhere stays on its disk.
    const isInside = from.startsWith(join(home.path, '/'))
    const to = isInside ? join(asideFolder, `${DATABASE_NAME}${suffix}`) : `${from}.${asideFolder.slice(-16)}`
    if (await exists(from)) moves.push({ from, to })
  }
  return moves
}

async function copyInto(from: string, to: string, mode: number): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  await copyFile(from, to)
  await chmod(to, mode)
  const file = await open(to, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
