import { open, rm } from 'node:fs/promises'
import { CommandError } from './command.ts'

/**
 * Writes a new file that only its owner can read, and has it on disk before it returns (KF-G07).
 *
 * @returns takes the file away again
 * @throws {CommandError} when something of that name is there, which is left as it is, or it cannot be made
 */
export async function writeSecretFile(path: string, text: string): Promise<() => Promise<void>> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') throw new CommandError(`${path} is there already; name a file that is not`)
    throw new CommandError(`${path} cannot be written: ${error.message}`)
  })
  try {
    await file.writeFile(text)
    await file.sync()
  } catch (error) {
    await rm(path, { force: true })
    throw new CommandError(`${path} cannot be written: ${error instanceof Error ? error.message : 'unknown'}`)
  } finally {
    await file.close()
  }
  return () => rm(path, { force: true })
}
