import type { WrappedKeys } from '../acme/eab-key.ts'
import { openHome } from '../app/home.ts'
import { openStore } from '../app/open-store.ts'
import { readPassphrase } from '../app/passphrase.ts'
import { holdsWrapped, loadStorageKey } from '../app/storage-key.ts'
import type { ResolvedConfig } from '../config/read.ts'
import type { Store } from '../store/store.ts'
import type { CommandContext } from './command.ts'

/**
 * Opens the state folder's store beside a server that may be running, for one piece of work.
 *
 * @throws {ConfigError | HomeError | StoreError}
 */
export async function withStore<T>(
  context: CommandContext,
  work: (parts: {
    readonly config: ResolvedConfig
    readonly store: Store
    readonly wrappedKeys: WrappedKeys
  }) => Promise<T>,
): Promise<T> {
  const config = await context.config()
  const home = await openHome(context.homePath)
  const passphrase = await readPassphrase(config.keys.passphraseFile)
  const store = await openStore(config.database, { clock: context.clock, random: context.random })
  try {
    const { keys: wrappedKeys } = await loadStorageKey(home.storageKey, {
      random: context.random,
      passphrase,
      create: !(await holdsWrapped(store)),
    })
    return await work({ config, store, wrappedKeys })
  } finally {
    await store.close()
  }
}
