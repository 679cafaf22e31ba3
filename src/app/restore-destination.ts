import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseConfig } from '../config/read.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import { BackupError, DATABASE_NAME, type Manifest } from '../recovery/manifest.ts'
import { describeAddress } from '../store/postgres/options.ts'
import { ServerLock } from '../store/sqlite/lock.ts'
import { snapshot } from '../store/sqlite/snapshot-thread.ts'
import { exists, type Home } from './home.ts'
import { mustBeAlone } from './must-be-alone.ts'
import { openStore } from './open-store.ts'
import { type Move, type PlannedLoad, readyPath } from './restore-plan.ts'

/** Where a restored database goes, from the time on at which nobody may serve from there. */
export interface Destination {
  /** The SQLite file in which the database is prepared. */
  readonly staged: string
  /** What stands there now, for the operator. */
  readonly occupied: readonly string[]
  /** Sees to it that nothing of that is lost. @returns what the plan is to move aside */
  keepAside(folder: string): Promise<readonly Move[]>
  /** How the plan puts the staged database into its place. */
  place(): { readonly moves: readonly Move[]; readonly load?: PlannedLoad }
  /** Lets others in again, and drops what was prepared unless it was decided to use it. */
  release(isDecided: boolean): Promise<void>
}

interface Deps {
  readonly home: Home
  readonly staging: string
  readonly manifest: Manifest
  readonly clock: Clock
  readonly random: Random
}

/** @throws {BackupError | StoreError} when a server works there, or it is of another CA */
export function openDestination(database: DatabaseConfig, deps: Deps): Promise<Destination> {
  return database.engine === 'sqlite' ? fileDestination(database.path, deps) : serverDestination(database, deps)
}

async function fileDestination(path: string, { home }: Deps): Promise<Destination> {
  const lock = ServerLock.take(path)
  const staged = `${path}.restoring`
  const drop = async (): Promise<void> => {
    for (const suffix of ['', ...BESIDE, '.lock']) await rm(`${staged}${suffix}`, { force: true })
  }
  await drop()
  const files = await filesOf(path)
  return {
    staged,
    occupied: files,
    keepAside: async (folder) => moveAside(files, path, home, folder),
    place: () => ({ moves: [{ from: staged, to: path }] }),
    async release(isDecided) {
      if (!isDecided) await drop()
      lock.release()
    },
  }
}

async function serverDestination(
  database: Extract<DatabaseConfig, { engine: 'postgres' }>,
  { home, staging, manifest, clock, random }: Deps,
): Promise<Destination> {
  const { address, settings } = database
  const name = describeAddress(address)
  // Brings the schema up to date as well.
  const store = await openStore(database, { clock, random })
  await mustBeAlone(store).finally(() => store.close())
  const { findOccupant, newestLineage } = await import('../store/copy/file-to-postgres.ts')
  const occupant = await findOccupant(database, { clock })
  if (occupant !== undefined) mustShareIssuer(occupant.issuers, manifest, name)
  // The state folder may have served from a file before; no server may find it there afterwards.
  const ownFile = join(home.path, DATABASE_NAME)
  const files = await filesOf(ownFile)
  const lock = files.length === 0 ? undefined : ServerLock.take(ownFile)
  const replaced = 'replaced.db'
  const staged = join(staging, DATABASE_NAME)
  return {
    staged,
    occupied: [...files, ...(occupant === undefined ? [] : [name])],
    async keepAside(folder) {
      const moves = moveAside(files, ownFile, home, folder)
      if (occupant === undefined) return moves
      try {
        await snapshot({ from: { address, settings }, path: join(staging, replaced) })
      } catch (cause) {
        throw new BackupError(
          `what stands in ${name} could not be kept (${cause instanceof Error ? cause.message : String(cause)}), and is ` +
            'not removed without that. Make a new, empty database and name it in store.url',
          { cause },
        )
      }
      return [...moves, { from: join(readyPath(home.path), replaced), to: join(folder, SERVER_COPY) }]
    },
    place: () => ({
      moves: [],
      load: {
        file: DATABASE_NAME,
        into: name,
        lineage: newestLineage(staged),
        ...(occupant && { replaces: occupant.newest }),
      },
    }),
    release: async () => lock?.release(),
  }
}

const BESIDE = ['-wal', '-shm', '-journal']
/** What was in a database on a server, beside what was moved aside. */
const SERVER_COPY = 'chancery-postgres.db'

async function filesOf(path: string): Promise<string[]> {
  const found: string[] = []
  for (const suffix of ['', ...BESIDE]) if (await exists(`${path}${suffix}`)) found.push(`${path}${suffix}`)
  return found
}

/** A database elsewhere stays on its disk. */
function moveAside(files: readonly string[], path: string, home: Home, folder: string): Move[] {
  return files.map((from) => {
    const isInside = from.startsWith(join(home.path, '/'))
    const to = isInside ? join(folder, `${DATABASE_NAME}${from.slice(path.length)}`) : `${from}.${folder.slice(-16)}`
    return { from, to }
  })
}

function mustShareIssuer(issuers: readonly string[], manifest: Manifest, name: string): void {
  const ours = Object.values(manifest.issuers)
  if (issuers.length === 0 || issuers.some((id) => ours.includes(id))) return
  throw new BackupError(`${name} belongs to another CA than the backup. Name an empty database in store.url`)
}
