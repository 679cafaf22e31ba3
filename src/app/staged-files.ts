import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { exists, type Home, HomeError, makeSecretFolder, replaceFile, syncFolder } from './home.ts'

export interface NewFile {
  /** Absolute path below the state folder. */
  readonly path: string
  readonly content: string
  readonly secret: boolean
}

const BEING_WRITTEN = 'new-authority.partial'
const WRITTEN = 'new-authority.ready'

/**
 * Puts the files of a ceremony into the state folder all together: they are written in a folder of their own, which
 * is renamed when it is complete, and then moved to their places. A crash before the rename leaves nothing; after it,
 * `finishStagedFiles` goes on at the next start.
 *
 * @throws {HomeError} when one of the files exists already: keys are never replaced
 */
export async function placeFiles(home: Home, files: readonly NewFile[]): Promise<void> {
  for (const file of files)
    if (await exists(file.path)) throw new HomeError(`${file.path} exists already; it is never replaced`)
  const partial = join(home.path, BEING_WRITTEN)
  await rm(partial, { recursive: true, force: true })
  await makeSecretFolder(partial)
  for (const file of files) {
    const staged = join(partial, relative(home.path, file.path))
    await makeSecretFolder(dirname(staged))
    await replaceFile(staged, file.content, file.secret ? 0o600 : 0o644)
  }
  await rename(partial, join(home.path, WRITTEN))
  await syncFolder(home.path)
  await finishStagedFiles(home)
}

/** Moves what a complete ceremony left to its places, and removes what an incomplete one left. */
export async function finishStagedFiles(home: Home): Promise<void> {
  await rm(join(home.path, BEING_WRITTEN), { recursive: true, force: true })
  const ready = join(home.path, WRITTEN)
  if (!(await exists(ready))) return
  const entries = await readdir(ready, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((one) => one.isFile())) {
    const from = join(entry.parentPath, entry.name)
    const to = join(home.path, relative(ready, from))
    await mkdir(dirname(to), { recursive: true, mode: 0o700 })
    await rename(from, to)
    await syncFolder(dirname(to))
  }
  await rm(ready, { recursive: true, force: true })
  await syncFolder(home.path)
}
