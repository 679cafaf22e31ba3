import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { SigningKey } from './signer.ts'
import { SignerError } from './signer.ts'
import { loadSoftwareKey } from './software.ts'

/** A 4096-bit RSA key in encrypted PEM is under 4 KiB. */
const MAX_KEY_FILE_BYTES = 65_536

/**
 * Loads a private key from a file that only its owner may read (KF-G07). A symbolic link is followed; it is the file
 * behind it that is looked at, through the same handle that is read, so it cannot be swapped in between.
 *
 * @throws {SignerError} `KEY_NOT_FOUND`, `KEY_EXPOSED` (mode allows group or others) or `KEY_UNREADABLE`
 */
export async function loadKeyFile(
  path: string,
  options: { passphrase?: string | undefined } = {},
): Promise<SigningKey> {
  return loadSoftwareKey(await readSecretFile(path), options)
}

/**
 * Reads a small secret text file under the same rules as a key.
 *
 * @throws {SignerError} as `loadKeyFile`
 */
export async function readSecretFile(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw new SignerError('KEY_NOT_FOUND', `there is no key file ${path}`, { cause })
    throw new SignerError('KEY_UNREADABLE', `the key file ${path} cannot be opened: ${cause.code ?? cause.message}`, {
      cause,
    })
  })
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new SignerError('KEY_UNREADABLE', `${path} is not a regular file`)
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
      throw new SignerError(
        'KEY_EXPOSED',
        `the key file ${path} has mode ${mode}; others can reach it. Run: chmod 600 ${path}`,
      )
    }
    if (stat.size > MAX_KEY_FILE_BYTES)
      throw new SignerError('KEY_UNREADABLE', `${path} has ${stat.size} bytes; that is no key file`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}
