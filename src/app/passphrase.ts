import { readSecretFile } from '../signer/key-file.ts'
import { HomeError } from './home.ts'

/**
 * The first line of a passphrase file that only its owner may read; undefined when no file is named.
 *
 * @throws {HomeError} when the line is empty
 * @throws {SignerError} when the file is absent or others can read it
 */
export async function readPassphrase(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  const line = (await readSecretFile(path)).split(/\r?\n/, 1)[0] ?? ''
  if (line === '') throw new HomeError(`${path}: its first line is the passphrase, and it is empty`)
  return line
}
