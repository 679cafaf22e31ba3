import { rmSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
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

/** The file of an empty store, made by the first test of a process that needs one. */
let emptyStore: Promise<string> | undefined

async function makeEmptyStore(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-empty-store-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'chancery.db')
  const store = await openSqliteStore({ path, clock: new FakeClock('1970-01-01T00:00:00Z') })
  await store.close()
  return path
}

/** A real store in a folder of its own; its tables are copied, which is much quicker than to make them each time. */
export async function openTestStore(
  clock: Clock = new FakeClock(),
  options: Partial<SqliteStoreOptions> = {},
): Promise<TestStore> {
  const folder = await mkdtemp(join(tmpdir(), 'chancery-store-'))
  const path = join(folder, 'chancery.db')
  if (options.migrations === undefined) {
    emptyStore ??= makeEmptyStore()
    await copyFile(await emptyStore, path)
  }
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
