import { readdir, readFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import type { ResolvedConfig } from '../config/read.ts'
import { decodePem } from '../lib/pem.ts'
import { isFilePath } from '../recovery/manifest.ts'
import { type ParsedCertificate, parseCertificate } from '../x509/certificate.ts'
import { DEFAULT_ISSUER, exists, type Home, HomeError } from './home.ts'

/** A configuration that stands outside of the state folder is put into it under this name. */
export const FOREIGN_CONFIGURATION = 'configuration.yaml'

export interface FileToBackUp {
  readonly from: string
  /** Relative to the state folder. */
  readonly path: string
  readonly mode: 0o600 | 0o644
}

/**
 * What of a state folder belongs into a backup beside the database: configuration, certificates, and the online keys as
 * they lie there. Never the root's key, passphrases, and what makes itself anew (our own TLS certificate).
 */
export async function filesToBackUp(
  home: Home,
  config: ResolvedConfig,
  { withKeys }: { readonly withKeys: boolean },
): Promise<FileToBackUp[]> {
  const files: FileToBackUp[] = []
  const add = async (from: string, mode: 0o600 | 0o644, path = relative(home.path, from).replaceAll('\\', '/')) => {
    if (isFilePath(path) && (await exists(from)) && !files.some((one) => one.path === path))
      files.push({ from, path, mode })
  }
  if (config.file !== undefined) {
    const isOwn = config.file === home.configFile
    await add(config.file, 0o600, isOwn ? basename(home.configFile) : FOREIGN_CONFIGURATION)
  }
  await add(home.rootPem, 0o644)
  await add(home.chainPem, 0o644)
  await add(home.issuerCsr(DEFAULT_ISSUER), 0o644)
  for (const name of await namesIn(home.issuersFolder)) await add(join(home.issuersFolder, name), 0o644)
  if (withKeys) {
    for (const name of await namesIn(home.keysFolder)) {
      const path = join(home.keysFolder, name)
      if (path !== home.tlsKey && (name.endsWith('.key.pem') || path === home.storageKey)) await add(path, 0o600)
    }
  }
  if (config.policy.file !== undefined) await add(config.policy.file, 0o600)
  for (const file of config.policy.blocklistFiles) await add(file, 0o600)
  for (const { keys } of Object.values(config.policies)) for (const file of keys.blocklistFiles) await add(file, 0o600)
  return files
}

/** The certificates of all issuing CAs in a folder that is laid out like a state folder, by name. */
export async function issuerCertificates(home: Home): Promise<Map<string, ParsedCertificate>> {
  const found = new Map<string, ParsedCertificate>()
  const read = async (name: string, path: string): Promise<void> => {
    if (!(await exists(path))) return
    try {
      const [first] = decodePem(await readFile(path, 'utf8'))
      if (first !== undefined) found.set(name, parseCertificate(first.der))
    } catch (cause) {
      throw new HomeError(`${path}: holds no certificate that can be read`, { cause })
    }
  }
  await read(DEFAULT_ISSUER, home.chainPem)
  for (const file of await namesIn(home.issuersFolder))
    if (/^[a-z0-9-]+\.pem$/.test(file)) await read(file.slice(0, -'.pem'.length), join(home.issuersFolder, file))
  return found
}

/** The same by the id that the store knows them by. */
export function byId(issuers: ReadonlyMap<string, ParsedCertificate>): Map<string, ParsedCertificate> {
  return new Map(
    [...issuers.values()].flatMap((one) =>
      one.subjectKeyId === undefined ? [] : [[one.subjectKeyId.toString('hex'), one]],
    ),
  )
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [] as string[])).sort()
}
