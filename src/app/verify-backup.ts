import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError, DATABASE_NAME, MANIFEST_NAME, type Manifest, parseManifest } from '../recovery/manifest.ts'
import { snapshot } from '../store/sqlite/snapshot-thread.ts'
import { issuerCertificates } from './backup-files.ts'
import { sha256OfFile } from './file-digest.ts'
import { homeAt } from './home.ts'

const MAX_MANIFEST_BYTES = 1 << 20

/**
 * Checks everything about a backup that can be checked without restoring it: that each file is the one that was
 * written, that the database is sound and every stored certificate and CRL in it unchanged, that its schema is known
 * here, and that database and certificates are of one CA.
 *
 * @throws {BackupError | StoreError} saying what is wrong
 */
export async function verifyBackup(path: string): Promise<Manifest> {
  const manifest = await readManifest(path)
  for (const file of manifest.files) await mustBe(join(path, file.path), file)
  const { database } = manifest
  if (database === undefined) return manifest
  await mustBe(join(path, DATABASE_NAME), database)
  const facts = await snapshot({ path: join(path, DATABASE_NAME) })
  if (facts.schema !== database.schema || (facts.newestEvent?.id ?? 0) !== database.newestEvent)
    throw new BackupError(`${path}: the database is not the one that the manifest tells of`)
  const issuers = await issuerCertificates(homeAt(path))
  const ids = [...issuers.values()].map(({ subjectKeyId }) => subjectKeyId?.toString('hex'))
  if (facts.issuers.length > 0 && !facts.issuers.some((id) => ids.includes(id)))
    throw new BackupError(`${path}: the database is of another CA than chain.pem and issuers/ beside it`)
  return manifest
}

async function readManifest(path: string): Promise<Manifest> {
  const file = join(path, MANIFEST_NAME)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new BackupError(
      `${path}: is not a complete backup, ${MANIFEST_NAME} cannot be read (${code}). Name the folder that chancery backup made`,
      { cause },
    )
  }
  if (text.length > MAX_MANIFEST_BYTES) throw new BackupError(`${file}: is too large`)
  return parseManifest(text, file)
}

async function mustBe(path: string, expected: { readonly bytes: number; readonly sha256: string }): Promise<void> {
  const found = await sha256OfFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new BackupError(`${path}: cannot be read (${cause.code ?? cause.message}); the backup is not complete`, {
      cause,
    })
  })
  if (found.sha256 !== expected.sha256 || found.bytes !== expected.bytes)
    throw new BackupError(`${path}: is not as it was written; the backup is damaged or was changed. Use another one`)
}
