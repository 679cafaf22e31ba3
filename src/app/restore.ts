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
import type { ParsedCertificate } from '../x509/certificate.ts'
import { byId, FOREIGN_CONFIGURATION, issuerCertificates } from './backup-files.ts'
import { exists, type Home, homeAt, openHome, refuseHalfRestored } from './home.ts'
import { LoadRefused, loadIntoServer } from './load-into-server.ts'
import { mustBeAlone } from './must-be-alone.ts'
import { openStore } from './open-store.ts'
import { openDestination } from './restore-destination.ts'
import {
  commitPlan,
  dropStaging,
  finishPlan,
  isRestoreCutShort,
  type Move,
  newStaging,
  readyPath,
  withdrawPlan,
} from './restore-plan.ts'
import { reportName, writeReport } from './restore-report.ts'
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
    const destination = await openDestination(config.database, { ...options, home, staging, manifest })
    const { staged } = destination
    let isDecided = false
    try {
      const stamp = clock
        .now()
        .toISOString()
        .replace(/[-:]|\.\d+/g, '')
      const asideFolder = join(homePath, `replaced-${stamp}`)
      const replaced = await filesInTheWay(home, manifest)
      const inTheWay = [...replaced.map((path) => join(homePath, path)), ...destination.occupied]
      if (inTheWay.length > 0 && !options.replace) {
        throw new BackupError(
          `${homePath} is not empty: ${inTheWay.join(', ')}. Restore into another state folder, or ` +
            'give --replace to have these moved aside',
        )
      }
      await mkdir(dirname(staged), { recursive: true, mode: 0o700 })
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
      const aside = [
        ...replaced.map((path) => ({ from: join(homePath, path), to: join(asideFolder, path) })),
        ...(await destination.keepAside(asideFolder)),
      ]
      const reportFile = join(homePath, reportName(stamp))
      const { moves, load } = destination.place()
      const place: Move[] = [
        ...manifest.files.map(({ path }) => ({ from: join(readyPath(homePath), path), to: join(homePath, path) })),
        { from: join(readyPath(homePath), reportName(stamp)), to: reportFile },
        ...moves,
      ]
      await writeReport(join(staging, reportName(stamp)), report)
      await commitPlan(homePath, { aside, place, ...(load && { load }) })
      isDecided = true
      await carryOut(homePath, config, clock)
      return {
        report,
        reportFile,
        notIncluded: manifest.notIncluded,
        ...(aside.length > 0 && { asideFolder }),
      }
    } finally {
      await destination.release(isDecided)
    }
  } finally {
    await dropStaging(homePath)
  }
}

/** A load that failed has changed nothing, and then neither is anything else; unless nobody knows whether it failed. */
async function carryOut(homePath: string, config: ResolvedConfig, clock: Clock): Promise<void> {
  try {
    await finishPlan(homePath, (file, planned) => loadIntoServer(file, planned, config, clock))
  } catch (error) {
    if (error instanceof LoadRefused) await withdrawPlan(homePath)
    throw error
  }
}

/**
 * Ends a restore that was cut short.
 *
 * @returns false when there is none
 */
export async function finishRestore(homePath: string, config: ResolvedConfig, clock: Clock): Promise<boolean> {
  if (!(await isRestoreCutShort(homePath))) return false
  const { database } = config
  const lock = database.engine === 'sqlite' ? ServerLock.take(database.path) : undefined
  try {
    return await finishPlan(homePath, (file, planned) => loadIntoServer(file, planned, config, clock))
  } catch (error) {
    if (!(error instanceof LoadRefused)) throw error
    throw new BackupError(`${error.message}. Or remove ${readyPath(homePath)}: then there was no restore`, {
      cause: error,
    })
  } finally {
    lock?.release()
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

/** Files of the backup that the state folder has too, relative to it. */
async function filesInTheWay(home: Home, manifest: Manifest): Promise<string[]> {
  const found: string[] = []
  for (const { path } of manifest.files) if (await exists(join(home.path, path))) found.push(path)
  return found
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
