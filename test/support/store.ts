import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/lib/clock.ts'
import { openSqliteStore, type SqliteStoreOptions } from '../../src/store/sqlite/engine.ts'
import type { Store } from '../../src/store/store.ts'
import { FakeClock } from './fake-clock.ts'

export interface TestStore {
  readonly store: Store
  /** The database file, e.g. to open it a second time or to damage a row. */
  readonly path: string
  /** Closes the store and removes its folder. */
  cleanup(): Promise<void>
}

/** A real store in a folder of its own. */
export async function openTestStore(
  clock: Clock = new FakeClock(),
  options: Partial<SqliteStoreOptions> = {},
): Promise<TestStore> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-store-'))
  const path = join(folder, 'chancery.db')
  const store = await openSqliteStore({ path, clock, ...options })
  return {
    store,
    path,
    async cleanup() {
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
