import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { exists, RESTORE_READY, replaceFile, syncFolder } from './home.ts'

/** One rename, with absolute paths. */
export interface Move {
  readonly from: string
  readonly to: string
}

/** What is left to do once everything is staged. Doing it twice does no harm. */
export interface RestorePlan {
  /** What was there before goes aside; nothing is deleted. */
  readonly aside: readonly Move[]
  readonly place: readonly Move[]
  /** Comes before all moves; absent where the database is a file. */
  readonly load?: PlannedLoad
}

/** A database that is to be loaded into a server. */
export interface PlannedLoad {
  /** Name of the SQLite file beside the plan. */
  readonly file: string
  /** The server's address, as messages name it. */
  readonly into: string
  /** The newest lineage in the file, by which a load that was done is known. */
  readonly lineage: string
  /** The newest audit event of what is to be replaced; absent when the database was empty. */
  readonly replaces?: { readonly id: number; readonly fingerprint: string }
}

const STAGING = 'restore.partial'
const PLAN = 'plan.json'

/** Where a restore prepares its files; whatever an earlier one left there unfinished is removed. */
export async function newStaging(homePath: string): Promise<string> {
  const staging = join(homePath, STAGING)
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true, mode: 0o700 })
  return staging
}

/** The same folder after `commitPlan`. */
export function readyPath(homePath: string): string {
  return join(homePath, RESTORE_READY)
}

export async function dropStaging(homePath: string): Promise<void> {
  await rm(join(homePath, STAGING), { recursive: true, force: true })
}

/** The moment at which a restore is decided: before it nothing has happened, after it `finishPlan` ends it. */
export async function commitPlan(homePath: string, plan: RestorePlan): Promise<void> {
  const staging = join(homePath, STAGING)
  await replaceFile(join(staging, PLAN), JSON.stringify(plan, undefined, 2), 0o600)
  await syncFolder(staging)
  await rename(staging, readyPath(homePath))
  await syncFolder(homePath)
}

export function isRestoreCutShort(homePath: string): Promise<boolean> {
  return exists(readyPath(homePath))
}

/** Takes a decision back, while nothing was done of it. */
export async function withdrawPlan(homePath: string): Promise<void> {
  await rename(readyPath(homePath), join(homePath, STAGING))
  await syncFolder(homePath)
  await dropStaging(homePath)
}

/**
 * Does what is left: the load, then the renames.
 *
 * @param load told of the file and what to do with it; may be told twice
 * @returns false when there is nothing to finish
 */
export async function finishPlan(
  homePath: string,
  load: (file: string, planned: PlannedLoad) => Promise<void>,
): Promise<boolean> {
  if (!(await isRestoreCutShort(homePath))) return false
  const plan = JSON.parse(await readFile(join(readyPath(homePath), PLAN), 'utf8')) as RestorePlan
  const { aside, place } = plan
  if (plan.load !== undefined) await load(join(readyPath(homePath), plan.load.file), plan.load)
  const moved = new Set<string>()
  const move = async ({ from, to }: Move): Promise<void> => {
    await mkdir(dirname(to), { recursive: true, mode: 0o700 })
    await rename(from, to)
    moved.add(dirname(from))
    moved.add(dirname(to))
  }
  // What stands aside already was moved before the cut; under its old name may now be what took its place.
  for (const one of aside) if (!(await exists(one.to)) && (await exists(one.from))) await move(one)
  for (const one of place) if (await exists(one.from)) await move(one)
  for (const folder of moved) await syncFolder(folder)
  await rm(readyPath(homePath), { recursive: true })
  await syncFolder(homePath)
  return true
}
