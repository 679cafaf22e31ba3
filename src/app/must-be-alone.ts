import { BackupError } from '../recovery/manifest.ts'
import type { Store } from '../store/store.ts'

/** @throws {BackupError} while servers work on a database, where the engine keeps a list of them */
export async function mustBeAlone(store: Pick<Store, 'instances'>): Promise<void> {
  const running = await store.instances.list()
  if (running.length === 0) return
  throw new BackupError(
    `servers work on this database: ${running.map(({ name }) => name).join(', ')}. Stop all of them first; one that ` +
      'died is forgotten two minutes after its last sign of life',
  )
}
