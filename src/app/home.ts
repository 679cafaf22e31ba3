import { constants } from 'node:fs'
import { chmod, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Where everything of one installation stands. Absolute paths; nothing is created by making this. */
export interface Home {
  readonly path: string
  /** The root certificate, for everybody. */
  readonly rootPem: string
  /** The default issuing CA's certificate, then intermediates; no root. */
  readonly chainPem: string
  readonly tlsPem: string
  readonly tlsKey: string
  readonly storageKey: string
  readonly offlineRootKey: string
  readonly offlineRootPassphrase: string
  readonly offlineFolder: string
  readonly keysFolder: string
  readonly issuersFolder: string
  readonly configFile: string
  /** Key of the issuing CA of this name. */
  issuerKey(name: string): string
  /** Certificate of the issuing CA of this name, then intermediates; no root. */
  issuerChain(name: string): string
  /** Its signing request, while it waits for a root made elsewhere. */
  issuerCsr(name: string): string
}

/** The name of the issuing CA that the first start makes, and the one profiles use when they name none. */
export const DEFAULT_ISSUER = 'default'

/** @param path absolute path of the state folder */
export function homeAt(path: string): Home {
  const keysFolder = join(path, 'keys')
  const issuersFolder = join(path, 'issuers')
  const offlineFolder = join(path, 'offline')
  const chainPem = join(path, 'chain.pem')
  return {
    path,
    rootPem: join(path, 'root.pem'),
    chainPem,
    tlsPem: join(path, 'tls.pem'),
    tlsKey: join(keysFolder, 'tls.key.pem'),
    storageKey: join(keysFolder, 'storage.key'),
    offlineRootKey: join(offlineFolder, 'root.key.pem'),
    offlineRootPassphrase: join(offlineFolder, 'root.passphrase'),
    offlineFolder,
    keysFolder,
    issuersFolder,
    configFile: join(path, 'chancery.yaml'),
    issuerKey: (name) => join(keysFolder, `${name}.key.pem`),
    issuerChain: (name) => (name === DEFAULT_ISSUER ? chainPem : join(issuersFolder, `${name}.pem`)),
    issuerCsr: (name) => (name === DEFAULT_ISSUER ? join(path, 'issuer.csr') : join(issuersFolder, `${name}.csr`)),
  }
}

/** The state folder cannot be used as it stands; the message says what to do about it. */
export class HomeError extends Error {}

/** The folder in which a restore that was decided waits to be finished. */
export const RESTORE_READY = 'restore.ready'

/** @throws {HomeError} while a restore waits to be finished: until then files of before and after stand side by side */
export async function refuseHalfRestored(path: string): Promise<void> {
  if (await exists(join(path, RESTORE_READY)))
    throw new HomeError(`${path}: a restore was cut short; end it with: chancery restore --finish`)
}

/**
 * Makes the state folder and its folders for keys, each for its owner alone (0700).
 *
 * @throws {HomeError} when the folder exists and others can reach into it (KF-G07)
 */
export async function openHome(path: string): Promise<Home> {
  const home = homeAt(path)
  await refuseHalfRestored(path)
  for (const folder of [home.path, home.keysFolder]) {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
    } catch (cause) {
      throw new HomeError(
        `${folder}: cannot be made (${reason(cause)}); set CHANCERY_HOME to a folder you may write to`,
        { cause },
      )
    }
  }
  const problems = await modeProblems(home)
  if (problems.length > 0) throw new HomeError(problems.join('\n'))
  return home
}

/**
 * What others than the owner can reach among folders and secrets, one sentence each with the command that closes it.
 * Windows has no such modes; there the folder's own access list decides.
 */
export async function modeProblems(home: Home): Promise<string[]> {
  if (process.platform === 'win32') return []
  const problems: string[] = []
  for (const folder of [home.path, home.keysFolder, home.offlineFolder]) {
    const mode = await modeOf(folder)
    if (mode === undefined) continue
    // The state folder itself may be listed by a group (root.pem is public); the folders of secrets may not.
    const forbidden = folder === home.path ? 0o022 : 0o077
    if ((mode & forbidden) !== 0)
      problems.push(`${folder} has mode ${octal(mode)}; others can reach it. Run: chmod 700 ${folder}`)
  }
  for (const folder of [home.keysFolder, home.offlineFolder]) {
    for (const name of await readdir(folder).catch(() => [])) {
      const file = join(folder, name)
      const mode = await modeOf(file)
      if (mode !== undefined && (mode & 0o077) !== 0) {
        problems.push(`${file} has mode ${octal(mode)}; others can reach it. Run: chmod 600 ${file}`)
      }
    }
  }
  return problems
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode & 0o777
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new HomeError(`${path}: cannot be looked at (${reason(error)})`, { cause: error })
  }
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0')
const reason = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error)

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/**
 * Writes a file so that after a crash its name holds the old content or the new, never a part: a temporary file,
 * fsync, rename, fsync of the folder.
 *
 * @param mode 0600 for secrets, 0644 for what everybody may read
 */
export async function replaceFile(path: string, content: string | Uint8Array, mode: 0o600 | 0o644): Promise<void> {
  await writeDurably(path, content, mode, rename)
}

/**
 * Like `replaceFile`, for a secret that must never take the place of another: false when the name is taken, and then
 * nothing is written.
 */
export async function createSecretFile(path: string, content: string): Promise<boolean> {
  try {
    // Unlike a rename, a hard link refuses to take an existing name.
    await writeDurably(path, content, 0o600, link)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function writeDurably(
  path: string,
  content: string | Uint8Array,
  mode: 0o600 | 0o644,
  putInPlace: (from: string, to: string) => Promise<void>,
): Promise<void> {
  const partial = `${path}.${process.pid}.partial`
  try {
    const file = await open(partial, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, mode)
    try {
      await file.chmod(mode)
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await putInPlace(partial, path)
    await syncFolder(dirname(path))
  } finally {
    // Gone already after a rename.
    await unlink(partial).catch(() => undefined)
  }
}

/** Makes renames in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** A folder for secrets, closed to others even where the umask or an earlier hand left it open. */
export async function makeSecretFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await chmod(path, 0o700)
}
