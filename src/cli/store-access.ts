import type { WrappedKeys } from '../acme/eab-key.ts'
import { exists, openHome, refuseHalfRestored } from '../app/home.ts'
import { openStore } from '../app/open-store.ts'
import { readPassphrase } from '../app/passphrase.ts'
import { holdsWrapped, loadStorageKey } from '../app/storage-key.ts'
import type { ResolvedConfig } from '../config/read.ts'
import { explainMark, readMark } from '../store/move-marks.ts'
import type { Store } from '../store/store.ts'
import { type CommandContext, CommandError } from './command.ts'

/**
 * Opens the state folder's store beside a server that may be running, for one piece of work that needs no key. Nothing
 * is made where there is no state folder.
 *
 * @throws {CommandError | ConfigError | HomeError | StoreError}
 */
export async function withStoreOnly<T>(
  context: CommandContext,
  work: (parts: { readonly config: ResolvedConfig; readonly store: Store }) => Promise<T>,
): Promise<T> {
  const config = await context.config()
  await refuseHalfRestored(context.homePath)
  const { database } = config
  await refuseNoDatabase(database)
  const store = await openStore(database, { clock: context.clock, random: context.random, unlessMoved: true })
  try {
    await refuseMoved(store)
    return await work({ config, store })
  } finally {
    await store.close()
  }
}

/**
 * Opens the state folder's store beside a server that may be running, for one piece of work. Nothing is made where there
 * is none: of a mistyped folder it would be said that it holds no keys.
 *
 * @throws {CommandError | ConfigError | HomeError | StoreError}
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
  await refuseNoDatabase(config.database)
  const home = await openHome(context.homePath)
  const passphrase = await readPassphrase(config.keys.passphraseFile)
  const { clock, random } = context
  const store = await openStore(config.database, { clock, random, unlessMoved: true })
  try {
    await refuseMoved(store)
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

/** @throws {CommandError} */
export async function refuseNoDatabase(database: ResolvedConfig['database']): Promise<void> {
  if (database.engine === 'sqlite' && !(await exists(database.path)))
    throw new CommandError(
      `there is no database ${database.path}; set CHANCERY_HOME to the state folder of the server, or begin one with \`chancery init\``,
    )
}

/** What is written to a database that was moved away is lost, and what is read there is old. */
async function refuseMoved(store: Store): Promise<void> {
  const mark = readMark((await store.history.lineages()).at(-1))
  if (mark !== undefined) throw new CommandError(explainMark(mark))
}
